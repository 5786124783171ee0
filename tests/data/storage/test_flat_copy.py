"""The flat copy: it makes the second load fast, never goes stale, and is never unpickled."""

import builtins
import errno
import json
import os
import pickle
import shutil
import tempfile
from pathlib import Path

import gymnasium
import minari
import numpy as np
import pytest

import offctx
from offctx.data.storage import read
from offctx.errors import DatasetError
from tests.data.helpers import assert_equal
from tests.data.storage.helpers import ID, edit_metadata, load, replace, unlabelled


@pytest.fixture
def reads(monkeypatch):
    """How often episodes are read from the dataset itself."""
    counted = []
    read_episodes = read._read_episodes
    monkeypatch.setattr(read, "_read_episodes", lambda *a: counted.append(1) or read_episodes(*a))
    return counted


def test_the_second_load_reads_the_flat_copy_and_gives_equal_arrays(data, reads):
    first, second = load(), load()
    assert len(reads) == 1
    assert_equal(first, second)
    assert first.has_derivatives and second.has_derivatives


def test_cache_false_neither_reads_nor_writes_the_flat_copy(data, datasets_path, reads):
    load(cache=False)
    assert not (datasets_path / ".offctx-cache").exists()
    load()
    load(cache=False)
    assert len(reads) == 3


def test_minari_does_not_list_the_flat_copy(data):
    load()
    assert list(minari.list_local_datasets()) == [ID]


def test_a_replaced_dataset_is_read_again(data, datasets_path):
    old = load()
    shutil.rmtree(data.parent)
    new = offctx.collect("testing/Runner-v0", ID, contexts=[(0.5, 0.2)], episodes_per_context=6, seed=1, progress=False)
    assert_equal(load(), new)
    assert len(load()) != len(old)


def test_a_dataset_changed_in_place_is_read_again(data):
    unlabelled(data)
    space = gymnasium.make("testing/Runner-v0").unwrapped.context_space
    before = load(context_space=space)
    replace(data, "episode_0/rewards", lambda rewards: rewards + 1)
    after = load(context_space=space)
    np.testing.assert_allclose(after.rewards[:6], before.rewards[:6] + 1)


def test_metadata_changed_in_place_are_read_again(data):
    load()
    edit_metadata(data, total_steps=7)
    with pytest.raises(DatasetError, match="total_steps 7"):
        load()


def test_a_dataset_replaced_while_it_is_read_does_not_leave_a_stale_copy(data, tmp_path, monkeypatch):
    fresh = tmp_path / "fresh"
    shutil.copytree(data, fresh)
    replace(fresh, "episode_0/rewards", lambda rewards: rewards + 1)
    for folder in (data, fresh):
        unlabelled(folder)
    space = gymnasium.make("testing/Runner-v0").unwrapped.context_space
    read_episodes = read._read_episodes

    def read_then_replace(*arguments):
        found = read_episodes(*arguments)
        for file in fresh.iterdir():
            shutil.copy(file, data / file.name)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(read, "_read_episodes", read_then_replace)
        load(context_space=space)
    assert_equal(load(context_space=space), load(context_space=space, cache=False))


def _deny(*_, **__):
    raise OSError(errno.EROFS, "Read-only file system")


@pytest.mark.parametrize("how", ["mkdir", "mkdtemp", "rename", "file in the way"])
def test_a_root_that_cannot_be_written_costs_speed_only(how, data, datasets_path, monkeypatch, tree):
    expected = load(cache=False)
    if how == "mkdir":
        monkeypatch.setattr(Path, "mkdir", _deny)
    elif how == "mkdtemp":
        monkeypatch.setattr(tempfile, "mkdtemp", _deny)
    elif how == "rename":
        monkeypatch.setattr(os, "rename", _deny)
    else:
        (datasets_path / ".offctx-cache").write_text("not a folder")
    assert_equal(load(), expected)
    assert_equal(load(), expected)
    assert not [name for name in tree(datasets_path) if "staging" in name]


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_root(data, datasets_path):
    expected = load(cache=False)
    datasets_path.chmod(0o555)
    try:
        assert_equal(load(), expected)
    finally:
        datasets_path.chmod(0o755)


def copies(datasets_path: Path) -> list[Path]:
    return sorted((datasets_path / ".offctx-cache").rglob("*.npy"))


class Trap:
    """Leaves a trace where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return builtins.open, (str(self.trace), "w")


def test_the_trap_works(tmp_path):
    pickle.loads(pickle.dumps(Trap(tmp_path / "trace"))).close()
    assert (tmp_path / "trace").exists()


def test_a_pickle_in_the_flat_copy_is_not_unpickled(data, datasets_path, tmp_path):
    expected = load()
    assert len(copies(datasets_path)) > 8
    for file in copies(datasets_path):
        np.save(file, np.array([Trap(tmp_path / "trace")] * 3, dtype=object), allow_pickle=True)
    assert_equal(load(), expected)
    assert not (tmp_path / "trace").exists()


def test_a_bare_pickle_in_the_flat_copy_is_not_unpickled(data, datasets_path, tmp_path):
    expected = load()
    for file in copies(datasets_path):
        file.write_bytes(pickle.dumps(Trap(tmp_path / "trace")))
    assert_equal(load(), expected)
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("left", [0, 5, 100, 200])
def test_a_flat_copy_cut_short_falls_back_to_the_dataset(left, data, datasets_path):
    expected = load()
    for file in copies(datasets_path):
        os.truncate(file, min(left, file.stat().st_size - 1))
    assert_equal(load(), expected)


@pytest.mark.parametrize(
    "stamp",
    [
        "",
        "{",
        "null",
        "[]",
        "3",
        '"files"',
        "{}",
        '{"files": 1}',
        '{"arrays": ["lengths"]}',
    ],
)
def test_a_damaged_stamp_falls_back_to_the_dataset(stamp, data, datasets_path):
    expected = load()
    (file,) = (datasets_path / ".offctx-cache").rglob("stamp.json")
    file.write_text(stamp)
    assert_equal(load(), expected)


def test_a_stamp_that_lacks_an_array_falls_back_to_the_dataset(data, datasets_path):
    expected = load()
    (file,) = (datasets_path / ".offctx-cache").rglob("stamp.json")
    stamp = json.loads(file.read_text())
    file.write_text(json.dumps(stamp | {"arrays": stamp["arrays"][:2]}))
    assert_equal(load(), expected)
