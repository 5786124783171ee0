"""What forbids to put a dataset under its id is found before anything is played, computed, fetched or written."""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

import pytest

import offctx
from offctx.data.collection import task
from offctx.data.composition import save
from offctx.data.derivatives import attach
from offctx.data.sharing.fetch import FileFetch
from offctx.data.storage import place
from offctx.data.storage.place import check_place
from offctx.data.storage.writer import DatasetWriter
from offctx.errors import DatasetError

ENV, HERE, NEW = "testing/Runner-v0", "test/x-v0", "other/deep/x-v0"
OTHER_DISK = Path("/dev/shm")  # a file system of its own on Linux


def collect(dataset_id=NEW, **options):
    return offctx.collect(ENV, dataset_id, seed=0, progress=False, **options)


def save_part(root, remote):
    offctx.load_dataset(HERE).select(episodes=0).save(NEW, progress=False)


CALLS = {
    "collect": lambda root, remote: collect(),
    "combine": lambda root, remote: offctx.combine([HERE], NEW, progress=False),
    "save": save_part,
    "attach": lambda root, remote: offctx.attach_derivatives(HERE, new_id=NEW, progress=False, overwrite=True),
    "pull": lambda root, remote: offctx.pull(remote, NEW, progress=False),
    "pull a part": lambda root, remote: offctx.pull(remote, NEW, contexts=[0], new_id="other/deep/y-v0", progress=False),
}
OBSTACLES = {
    "a file": "other is a file; expected the folder of a namespace",
    "a file inside": "deep is a file; expected",
    "dangling": "other is a link that leads to no folder; expected",
    "a loop": "other is a link that leads to no folder; expected",
    "another disk": "other lies on another file system than the folder of datasets",
}


@contextlib.contextmanager
def obstacle(kind, root):
    other = root / "other"
    if kind == "a file inside":
        other.mkdir()
        (other / "deep").write_text("")
    elif kind == "a file":
        other.write_text("")
    elif kind == "another disk":
        if not OTHER_DISK.is_dir() or OTHER_DISK.stat().st_dev == root.stat().st_dev:
            pytest.skip("no other file system")
        with tempfile.TemporaryDirectory(dir=OTHER_DISK) as folder:
            other.symlink_to(folder)
            yield
            assert os.listdir(folder) == []
        return
    else:
        other.symlink_to({"dangling": "nowhere", "a loop": "other"}[kind])
    yield


@pytest.fixture
def remote(tmp_path, monkeypatch):
    """A remote that has the dataset `NEW`."""
    (tmp_path / "elsewhere").mkdir()
    with monkeypatch.context() as changed:
        changed.setenv("MINARI_DATASETS_PATH", str(tmp_path / "elsewhere"))
        collect()
        offctx.push(NEW, tmp_path / "remote", cards=False, progress=False)
    return tmp_path / "remote"


@pytest.mark.parametrize("kind", OBSTACLES)
@pytest.mark.parametrize("call", CALLS)
def test_an_obstacle_is_found_before_the_work(call, kind, datasets_path, remote, monkeypatch, tree):
    def work(*arguments, **options):
        raise AssertionError("the work has begun")

    collect(HERE, episodes_per_context=2)
    offctx.load_dataset(HERE)
    with obstacle(kind, datasets_path):
        before = tree(datasets_path)
        monkeypatch.setattr(task, "play_part", work)
        monkeypatch.setattr(attach, "map_transitions", work)
        monkeypatch.setattr(DatasetWriter, "__init__", work)
        monkeypatch.setattr(save, "part_of_dataset", work)
        if call != "pull a part":  # it fetches the metadata under the lock
            monkeypatch.setattr(FileFetch, "fetch", work)
        with pytest.raises(DatasetError, match=f"^other/deep/[xy]-v0 cannot be written: .*{OBSTACLES[kind]}"):
            CALLS[call](datasets_path, remote)
        assert tree(datasets_path) == before


@contextlib.contextmanager
def as_other_user():
    """Root may write everywhere, and so does the block as another user."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def public_path(monkeypatch):
    """A folder of datasets that all users may read and write; the temporary folders of pytest are of one user."""
    root = Path(tempfile.mkdtemp())
    root.chmod(0o777)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(root))
    yield root
    shutil.rmtree(root)


@pytest.mark.parametrize("unwritable", ["", "test", "test/deep"])
def test_a_folder_that_is_not_writable_is_found(unwritable, public_path):
    inner = public_path / "test" / "deep"
    inner.mkdir(parents=True)
    for folder in (inner.parent, inner):
        (folder / "namespace_metadata.json").write_text("{}")
        folder.chmod(0o777)
    with as_other_user():
        check_place("test/deep/x-v0")
    (public_path / unwritable).chmod(0o555)
    if unwritable == "test":  # where nothing new is made
        with as_other_user():
            check_place("test/deep/x-v0")
        (inner.parent / "namespace_metadata.json").unlink()
    name = (public_path / unwritable).name
    with as_other_user(), pytest.raises(DatasetError, match=f"cannot be written: .*{name} is not writable: Permission denied"):
        check_place("test/deep/x-v0")
    (public_path / unwritable).chmod(0o777)


def test_a_dataset_that_cannot_be_replaced_is_found_before_the_work(public_path, monkeypatch):
    collect(HERE)
    (public_path / HERE).chmod(0o555)
    for folder in (public_path / "test", public_path / ".offctx-locks"):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o777)
    with as_other_user(), pytest.raises(DatasetError, match="x-v0 is not writable: Permission denied"):
        offctx.attach_derivatives(HERE, progress=False, overwrite=True)
    (public_path / HERE).chmod(0o755)


def test_a_namespace_that_may_not_be_read_is_an_error_of_ours(public_path):
    (public_path / "test").mkdir(mode=0o000)
    for call in (lambda: collect(HERE), lambda: offctx.load_dataset(HERE)):
        with as_other_user(), pytest.raises(DatasetError, match="the folder of its namespace cannot be read"):
            call()
    (public_path / "test").chmod(0o755)


def test_a_mount_of_the_same_file_system_is_another_place(datasets_path, monkeypatch):
    (datasets_path / "test").mkdir()

    def across_mounts(source, target):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(place.os, "rename", across_mounts)
    with pytest.raises(DatasetError, match="on another file system"):
        check_place(HERE)


def test_a_refused_call_makes_no_namespace(datasets_path, tree):
    before = tree(datasets_path)
    with pytest.raises(offctx.OffctxError):
        collect(policy=lambda observations, contexts, rng: observations * float("nan"))
    assert tree(datasets_path) == before
