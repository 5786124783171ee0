"""A dataset is its own files: load, validate and attach refuse what refers to others, and write nothing elsewhere."""

import os
import shutil
import signal
import socket

import h5py
import numpy as np
import pytest

import offctx
from offctx.data.validation import validate_dataset
from offctx.errors import DatasetError
from tests.data.storage.helpers import ID, load, unlabelled

DOORS = {
    "load": load,
    "validate": lambda: validate_dataset(ID),
    "attach": lambda: offctx.attach_derivatives(ID, "testing/Runner-v0", overwrite=True, progress=False),
}


def external_group(file, elsewhere):
    del file["episode_1/infos"]
    file["episode_1/infos"] = h5py.ExternalLink(elsewhere, "/episode_1/infos")


def external_episode(file, elsewhere):
    del file["episode_0"]
    file["episode_0"] = h5py.ExternalLink(elsewhere, "/episode_0")


def external_that_nobody_reads(file, elsewhere):
    file["episode_0/infos/extra"] = h5py.ExternalLink(elsewhere, "/episode_0/rewards")


def soft_link(file, elsewhere):
    file["other"] = h5py.ExternalLink(elsewhere, "/")
    del file["episode_0/rewards"]
    file["episode_0/rewards"] = h5py.SoftLink("/other/episode_0/rewards")


def virtual(file, elsewhere, name="episode_0/rewards"):
    shape = file["episode_0/rewards"].shape
    layout = h5py.VirtualLayout(shape=shape, dtype=np.float64)
    layout[:] = h5py.VirtualSource(elsewhere, "episode_0/rewards", shape=shape)
    if name in file:
        del file[name]
    file.create_virtual_dataset(name, layout)


def virtual_that_nobody_reads(file, elsewhere):
    virtual(file, elsewhere, "episode_0/infos/extra")


def virtual_infos_of_one_episode(file, elsewhere):
    for e in range(1, len(file)):
        del file[f"episode_{e}/infos/state"]
    virtual(file, elsewhere, "episode_0/infos/state")


def raw_storage(file, elsewhere):
    shape = file["episode_0/rewards"].shape
    del file["episode_0/rewards"]
    file.create_dataset("episode_0/rewards", shape, np.float64, external=[(elsewhere, 0, h5py.h5f.UNLIMITED)])


LINKS = [
    external_group,
    external_episode,
    external_that_nobody_reads,
    soft_link,
    virtual,
    virtual_that_nobody_reads,
    virtual_infos_of_one_episode,
    raw_storage,
]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("change", LINKS, ids=lambda change: change.__name__)
def test_what_is_in_other_files_is_refused(change, door, data, tmp_path, tree):
    elsewhere = tmp_path / "elsewhere.hdf5"
    shutil.copy(data / "main_data.hdf5", elsewhere)
    unlabelled(data)
    with h5py.File(data / "main_data.hdf5", "a") as file:
        change(file, str(elsewhere))
    before = elsewhere.read_bytes(), tree(data)
    with pytest.raises(DatasetError, match=r"a link to another file|a soft link|a virtual dataset|stored outside of its file"):
        DOORS[door]()
    assert (elsewhere.read_bytes(), tree(data)) == before


def _replace_by(path, what):
    content = path.read_bytes() if path.is_file() else None
    path.rename(path.with_name(path.name + ".moved")) if content is None else path.unlink()
    if what == "link":
        target = path.parents[3] / "target"
        shutil.move(path.with_name(path.name + ".moved"), target) if content is None else target.write_bytes(content)
        path.symlink_to(target)
    elif what == "FIFO":
        os.mkfifo(path)
    elif what == "socket":
        here = os.getcwd()
        os.chdir(path.parent)  # the name of a socket is short
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
        os.chdir(here)
    else:
        path.symlink_to("/dev/zero")


@pytest.fixture
def alarm():
    """Fails a test that hangs."""

    def hang(*_):
        raise AssertionError("it hangs")

    before = signal.signal(signal.SIGALRM, hang)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("alarm")
@pytest.mark.parametrize("name", ["metadata.json", "main_data.hdf5", "extra"])
@pytest.mark.parametrize("what", ["link", "FIFO", "socket", "device"])
@pytest.mark.parametrize("cached", [False, True])
def test_special_files_are_refused(what, name, cached, data):
    if cached:
        load()
    (data / "extra").write_text("more")
    _replace_by(data / name, what)
    for door in DOORS.values():
        with pytest.raises(DatasetError, match=r"is (a symbolic link|a FIFO|a socket); a dataset consists of its own"):
            door()


def test_a_linked_data_folder_is_refused_and_a_linked_dataset_is_not(data, tmp_path):
    expected = load()
    shutil.move(data.parent, tmp_path / "moved")
    data.parent.symlink_to(tmp_path / "moved")
    np.testing.assert_array_equal(load().rewards, expected.rewards)
    (tmp_path / "moved" / "data").rename(tmp_path / "data")
    (tmp_path / "moved" / "data").symlink_to(tmp_path / "data")
    with pytest.raises(DatasetError, match="data is a symbolic link"):
        load()
