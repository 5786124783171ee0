"""What killed processes leave is removed at the next call; what living ones own stays."""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest

import offctx
from offctx.cli.catalogue import datasets
from offctx.data.storage import ids
from offctx.data.storage.changes import staging
from offctx.data.storage.leftovers import about_work, remove_leftovers
from offctx.data.storage.locks import locked
from tests.data.helpers import assert_equal
from tests.data.storage.helpers import ID


def _in_killed_process(function) -> None:
    pid = os.fork()
    if pid == 0:
        try:
            function()
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)


def test_the_staging_folder_of_a_dead_process_goes_and_that_of_a_living_one_stays(datasets_path):
    def die():
        with staging() as folder:
            (folder / "half").write_text("written")
            os.kill(os.getpid(), signal.SIGKILL)

    _in_killed_process(die)
    assert len(list(datasets_path.glob(".offctx-staging-*"))) == 1
    with staging() as mine:
        remove_leftovers()
        assert list(datasets_path.glob(".offctx-staging-*")) == [mine]
    assert list(datasets_path.iterdir()) == []


@pytest.mark.parametrize("kind", [ids.FLAT_COPIES, ids.UNFINISHED_WORK])
def test_what_belongs_to_a_deleted_dataset_goes_and_the_rest_stays(kind, data, datasets_path):
    kept, lost = (ids.hidden_folder(datasets_path / name, kind) for name in (ID, "test/gone-v0"))
    for folder in (kept, lost):
        (folder / "deep").mkdir(parents=True)
    (kept / "deep" / "about.json").write_text(about_work(datasets_path / ID, None))
    remove_leftovers()
    assert kept.exists() and not lost.exists()


_HIDDEN = (ids.REPLACED, ids.UNFINISHED_WORK, ids.UNFINISHED_COLLECTIONS, ids.UNFINISHED_PULLS, ids.LOCKS)


@pytest.mark.parametrize("kind", _HIDDEN)
def test_an_empty_hidden_folder_goes(kind, data, datasets_path):
    """A process was killed after it had removed the last entry."""
    (datasets_path / kind).mkdir()
    remove_leftovers()
    assert not (datasets_path / kind).exists()


def test_the_flat_copy_goes_with_its_dataset(data, datasets_path):
    offctx.load_dataset(ID)
    shutil.rmtree(data.parent)
    remove_leftovers()
    assert not (datasets_path / ".offctx-cache").exists()


def _cut_short(folder: Path) -> None:
    """As a process leaves a dataset that is killed between the two renames of a replacement."""
    old = ids.hidden_folder(folder, ids.REPLACED)
    old.parent.mkdir()
    os.rename(folder, old)


def test_a_linked_dataset_comes_back_after_a_kill_between_the_renames(data, datasets_path, tmp_path):
    shutil.move(data.parent, tmp_path / "elsewhere")
    data.parent.symlink_to(tmp_path / "elsewhere")
    expected = offctx.load_dataset(ID)
    _cut_short(data.parent)
    assert_equal(offctx.load_dataset(ID), expected)
    assert data.parent.is_symlink()


def test_every_dataset_comes_back_at_the_next_call_of_any(data, datasets_path):
    _cut_short(data.parent)
    offctx.collect("testing/Runner-v0", "test/other-v0", seed=0, progress=False)
    assert data.exists()
    assert not (datasets_path / ids.REPLACED).exists()


def test_a_reader_waits_for_a_replacement(data):
    expected = offctx.load_dataset(ID)
    old = ids.hidden_folder(data.parent, ids.REPLACED)
    pid = os.fork()
    if pid == 0:
        with locked(ids.lock_file(data.parent), "replacing"):
            _cut_short(data.parent)
            Path(f"{old}.ready").touch()
            time.sleep(0.3)
            os.rename(old, data.parent)
            os._exit(0)
    while not Path(f"{old}.ready").exists():
        time.sleep(0.01)
    assert not data.exists()
    assert_equal(offctx.load_dataset(ID), expected)
    os.waitpid(pid, 0)


@pytest.mark.parametrize("how", ["in place", "new id"])
def test_work_that_was_finished_goes(how, data, datasets_path):
    work = ids.work_folder(ID) / "fingerprint"
    work.mkdir(parents=True)
    (work / "about.json").write_text(about_work(data.parent, None if how == "in place" else "test/new-v0"))
    remove_leftovers()
    assert work.exists()
    if how == "in place":
        (data / "metadata.json").write_text((data / "metadata.json").read_text() + " ")
    else:
        shutil.copytree(data.parent, datasets_path / "test" / "new-v0")
    remove_leftovers()
    assert not (datasets_path / ids.UNFINISHED_WORK).exists()


def test_a_fifo_in_the_place_of_metadata_hangs_nothing(data, datasets_path):
    """Unfinished work is told from finished work by the metadata of its dataset."""
    work = ids.hidden_folder(datasets_path / ID, ids.UNFINISHED_WORK) / "key"
    work.mkdir(parents=True)
    (work / "about.json").write_text(about_work(datasets_path / ID, None))
    metadata = datasets_path / ID / "data" / "metadata.json"
    metadata.unlink()
    os.mkfifo(metadata)
    signal.alarm(20)  # ends the test where one hangs
    try:
        remove_leftovers()
        assert not work.exists()
        about_work(datasets_path / ID, None)
        assert datasets() == [{"dataset_id": ID, "transitions": None, "episodes": None}]
    finally:
        signal.alarm(0)
