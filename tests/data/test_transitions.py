"""Episodes as transitions and back, whole and in part."""

import numpy as np
import pytest

from offctx.data.storage.read import read_dataset
from offctx.data.transitions import Transitions, run_of


@pytest.fixture(params=["runner", "pendulum", "chooser"])
def episodes(request, library_path):
    return read_dataset(f"test/{request.param}-v0", cache=False).episodes


def test_there_and_back(episodes):
    assert Transitions.of(episodes).to_episodes().checksum() == episodes.checksum()


@pytest.mark.parametrize("numbers", [[0], [3, 4, 5], [1, 3, 4], [5, 2]])
def test_some_episodes(numbers, episodes):
    part = Transitions.of(episodes).take(np.array(numbers)).to_episodes()
    ends = episodes.row_ends
    rows = np.concatenate([np.arange(ends[e] - episodes.lengths[e] - 1, ends[e]) for e in numbers])
    np.testing.assert_array_equal(part.lengths, episodes.lengths[numbers])
    np.testing.assert_array_equal(part.observations, episodes.observations[rows])
    np.testing.assert_array_equal(part.seeds, episodes.seeds[numbers])
    for name, array in episodes.infos.items():
        np.testing.assert_array_equal(part.infos[name], array[rows], err_msg=name)


def test_successive_episodes_are_views(episodes):
    transitions = Transitions.of(episodes)
    assert np.shares_memory(transitions.take(np.array([2, 3])).by_step["observations"], transitions.by_step["observations"])
    assert run_of(np.array([2, 3, 4])) == slice(2, 5) and run_of(np.array([2, 4])) is None and run_of(np.array([3, 2])) is None
