"""Interrupted, killed or out of disk: nothing is lost, and no batch is computed twice."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import minari
import numpy as np
import pytest
from gymnasium.wrappers import TimeLimit

import offctx
from offctx.data.derivatives import attach as module
from offctx.data.derivatives import saved_batches
from offctx.data.derivatives.saved_batches import SavedBatches
from offctx.data.storage import copy
from offctx.envs import SimpleDirection
from offctx.errors import DatasetError, DerivativeError
from tests.data.derivatives.helpers import ID, NEW, attach, collect, contents, file_of, visible
from tests.data.helpers import assert_equal


class Frail(SimpleDirection):
    """Its derivatives fail after so many batches; those of the few rows that identify the environment do not count."""

    left: ClassVar[float] = np.inf
    rows: ClassVar[list[int]] = []
    failure: ClassVar[type[BaseException]] = KeyboardInterrupt

    def derivatives(self, states, actions, contexts, noise=None):
        if len(states) != 4:
            if len(Frail.rows) >= Frail.left:
                raise Frail.failure
            Frail.rows.append(len(states))
        return super().derivatives(states, actions, contexts, noise)


class Wider(Frail):
    """Almost the same environment."""

    def reward(self, state, action, next_state, context):
        return super().reward(state, action, next_state, 2 * context)


@pytest.fixture
def frail(datasets_path, monkeypatch):
    """Thirty transitions of Frail, and what they become without a failure."""
    monkeypatch.setattr(Frail, "left", np.inf)
    monkeypatch.setattr(Frail, "rows", [])
    monkeypatch.setattr(Frail, "failure", KeyboardInterrupt)
    expected = collect("test/with-v0", lambda: TimeLimit(Frail(), 10), gradients=True)
    collect(env=lambda: TimeLimit(Frail(), 10))
    Frail.rows.clear()
    return expected


def fail_after(batches, **options):
    Frail.rows.clear()
    Frail.left = batches
    with pytest.raises(Frail.failure) as caught:
        attach(ID, Frail(), **{"batch_size": 5, **options})
    Frail.rows.clear()
    Frail.left = np.inf
    return str(caught.value)


@pytest.mark.parametrize("failure", [KeyboardInterrupt, DerivativeError, MemoryError])
def test_what_was_done_is_not_done_again(failure, frail, datasets_path, tree):
    Frail.failure = failure
    before = contents(file_of(datasets_path)), set(visible(datasets_path, tree))
    said = fail_after(2)
    if failure is KeyboardInterrupt:
        assert said.startswith("test/x-v0 is as it was; the derivatives of 10 of its 30 transitions are kept")
    assert contents(file_of(datasets_path)) == before[0]
    assert not offctx.load_dataset(ID).has_derivatives
    assert set(minari.list_local_datasets()) == {ID, "test/with-v0"}
    found = attach(ID, Frail(), batch_size=5)
    assert Frail.rows == [5] * 4
    assert_equal(found, frail)
    assert set(visible(datasets_path, tree)) == before[1]


def test_another_setting_of_the_environment_does_it_all_again(frail):
    fail_after(2)
    env = Frail()
    env.late = 3  # which shows in no derivative of the few rows that are tried
    attach(ID, env, batch_size=5)
    assert Frail.rows == [5] * 6


def test_the_batch_size_may_change_on_the_way(frail):
    fail_after(2)
    assert_equal(attach(ID, Frail(), batch_size=7), frail)
    assert Frail.rows == [7, 7, 6]


def test_resume_false_begins_anew(frail):
    fail_after(2)
    attach(ID, Frail(), batch_size=5, resume=False)
    assert Frail.rows == [5] * 6


@pytest.mark.parametrize("damage", ["cut short", "emptied", "bits flipped", "zeros", "of another batch", "a FIFO", "gone"])
def test_a_damaged_batch_is_done_again(damage, frail, datasets_path):
    fail_after(2)
    (second,) = (datasets_path / ".offctx-derivatives").rglob("5.batch")
    content = second.read_bytes()
    if damage == "cut short":
        second.write_bytes(content[:-1])
    elif damage == "emptied":
        second.write_bytes(b"")
    elif damage == "bits flipped":  # in a number, which stays finite
        second.write_bytes(content[:-8] + bytes([content[-8] ^ 0x11]) + content[-7:])
    elif damage == "zeros":
        second.write_bytes(content[:-20] + bytes(20))
    elif damage == "of another batch":
        shutil.copyfile(second.with_name("0.batch"), second)
    else:
        second.unlink()
        if damage == "a FIFO":
            os.mkfifo(second)
    assert_equal(attach(ID, Frail(), batch_size=5), frail)
    assert Frail.rows == [5] * 5


def test_batches_of_another_environment_or_other_data_are_not_taken(frail, datasets_path):
    fail_after(2)
    attach(ID, Wider(), batch_size=5, check=False, new_id=NEW)
    assert Frail.rows == [5] * 6
    fail_after(2)
    shutil.rmtree(datasets_path / "test" / "x-v0")
    collect(env=lambda: TimeLimit(Frail(), 10), seed=1)
    attach(ID, Frail(), batch_size=5)
    assert Frail.rows == [5] * 6


class Mortal(Frail):
    """Kills its process instead."""

    deadly = False

    def derivatives(self, *args):
        if Mortal.deadly and len(Frail.rows) == 4:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().derivatives(*args)


PROGRAM = """
from tests.data.derivatives import test_saved_batches as tests
tests.Mortal.deadly = True
tests.attach(tests.ID, tests.Mortal(), batch_size=5)
"""


def test_killed_and_started_again(frail):
    program = [sys.executable, "-c", PROGRAM]
    killed = subprocess.run(program, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3])
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not offctx.load_dataset(ID).has_derivatives
    assert_equal(attach(ID, Mortal(), batch_size=5), frail)
    assert Frail.rows == [5] * 2


def test_an_interrupt_while_it_is_written_leaves_the_old_one(frail, datasets_path, monkeypatch, tree):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    before = contents(file_of(datasets_path))
    with monkeypatch.context() as patch:
        patch.setattr(copy, "write_array", interrupted)
        with pytest.raises(KeyboardInterrupt, match="30 of its 30 transitions are kept"):
            attach(ID, Frail(), batch_size=5)
    assert contents(file_of(datasets_path)) == before
    assert not [name for name in visible(datasets_path, tree) if name.startswith(".offctx") and "hdf5" in name]
    Frail.rows.clear()
    assert_equal(attach(ID, Frail(), batch_size=5), frail)
    assert Frail.rows == []


@pytest.mark.parametrize("which", [1, 2])
@pytest.mark.parametrize("failure", [OSError, KeyboardInterrupt])
def test_a_failure_while_they_change_places_leaves_the_old_one(which, failure, frail, datasets_path, monkeypatch, tree):
    rename, calls = os.rename, []

    def failing(source, target):
        calls.append(source)
        if len(calls) == which:
            raise failure
        rename(source, target)

    before = contents(file_of(datasets_path))
    replace = module.replace_dataset

    def replacing(*args):
        monkeypatch.setattr(os, "rename", failing)
        try:
            replace(*args)
        finally:
            monkeypatch.setattr(os, "rename", rename)

    monkeypatch.setattr(module, "replace_dataset", replacing)
    with pytest.raises(DatasetError if failure is OSError else KeyboardInterrupt, match="is as it was"):
        attach(ID, Frail())
    monkeypatch.undo()
    assert contents(file_of(datasets_path)) == before and len(calls) >= which


@pytest.mark.parametrize("flat_copy", [False, True])
def test_a_full_disk_leaves_nothing(flat_copy, frail, datasets_path, monkeypatch, tree):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    shutil.rmtree(datasets_path / ".offctx-cache", ignore_errors=True)
    if flat_copy:
        offctx.load_dataset(ID)
    before = tree(datasets_path)
    for target, name in ((saved_batches, "write_file"), (saved_batches, "write_sealed"), (shutil, "copyfile")):
        with monkeypatch.context() as patch:
            patch.setattr(target, name, full)
            with pytest.raises(DatasetError, match="No space left"):
                attach(ID, Frail())
        assert tree(datasets_path) == before


def test_workers_give_the_same_bytes_and_use_what_is_saved(datasets_path, monkeypatch):
    contents, root, taken, take = [], datasets_path, [], SavedBatches.take

    def noted(self, begin, packed):
        taken.append(begin)
        return take(self, begin, packed)

    def strike(self, begin, packed):
        result = noted(self, begin, packed)
        if len(taken) == 2:
            raise KeyboardInterrupt
        return result

    for n_jobs in (1, 2):
        offctx.collect(
            "offctx/SimpleDirection-v0",
            "test/w-v0",
            contexts=[[0.5, -0.5], [1, 1]],
            episodes_per_context=6,
            seed=0,
            gradients=False,
            progress=False,
        )
        if n_jobs == 2:  # interrupted after two batches, whichever are finished first
            with monkeypatch.context() as patch:
                patch.setattr(SavedBatches, "take", strike)
                with pytest.raises(KeyboardInterrupt, match="32 of its 120 transitions are kept"):
                    offctx.attach_derivatives("test/w-v0", batch_size=16, progress=False, n_jobs=2)
            kept = [int(path.stem) for path in root.glob(".offctx-derivatives/*/*/*.batch")]
            assert set(taken) <= set(kept) and len(kept) <= 2 + 2 + 1  # a worker saves what it has finished
            taken.clear()
            monkeypatch.setattr(SavedBatches, "take", noted)
        offctx.attach_derivatives("test/w-v0", batch_size=16, progress=False, n_jobs=n_jobs)
        data = root / "test" / "w-v0" / "data"
        contents.append([(data / name).read_bytes() for name in ("main_data.hdf5", "metadata.json")])
        shutil.rmtree(root / "test")
    assert contents[0] == contents[1]
    assert sorted(taken + kept) == list(range(0, 120, 16))  # each once
