"""An interrupt leaves nothing behind, and says so."""

import os
from pathlib import Path

import numpy as np
import pytest

from offctx.data.storage import publish
from offctx.data.storage.episode_file import EpisodeFile
from tests.data.collection.helpers import collect


def interrupt_at(step):
    def policy(observations, contexts, rng):
        policy.calls += 1
        if policy.calls == step:
            raise KeyboardInterrupt
        return np.zeros((len(observations), 1))

    policy.calls = 0
    return policy


@pytest.mark.usefixtures("no_new_files")
def test_an_interrupt_while_playing_leaves_nothing_and_says_so(datasets_path):
    with pytest.raises(KeyboardInterrupt, match="test/x-v0 was interrupted: nothing was written"):
        collect(policy=interrupt_at(5))


@pytest.mark.usefixtures("no_new_files")
def test_an_interrupt_while_writing_leaves_nothing_and_says_so(datasets_path, monkeypatch):
    write = EpisodeFile.append

    def strike(self, name, *arguments):
        write(self, name, *arguments)
        if name == "episode_1":
            assert list(datasets_path.rglob("main_data.hdf5"))  # something is there when it strikes
            raise KeyboardInterrupt

    monkeypatch.setattr(EpisodeFile, "append", strike)
    with pytest.raises(KeyboardInterrupt, match="nothing was written"):
        collect(episodes_per_context=4)


def test_after_an_interrupt_the_same_id_can_be_collected(datasets_path):
    with pytest.raises(KeyboardInterrupt):
        collect(policy=interrupt_at(2))
    assert len(collect()) == 6


@pytest.mark.parametrize("renamed", [False, True])
def test_an_interrupt_around_the_rename_says_what_is_true(renamed, datasets_path, monkeypatch):
    rename = os.rename

    def strike(source, target):
        published = Path(target).name == "x-v0"
        if renamed or not published:
            rename(source, target)
        if published:
            raise KeyboardInterrupt

    monkeypatch.setattr(publish.os, "rename", strike)
    with pytest.raises(KeyboardInterrupt) as caught:
        collect()
    assert (datasets_path / "test" / "x-v0").exists() == renamed
    assert ("nothing was written" in str(caught.value)) == (not renamed)
