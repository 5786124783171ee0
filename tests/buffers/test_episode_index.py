"""Episodes as rows at equal distances: one after the other, side by side, and partly overwritten."""

import numpy as np
import pytest

from offctx.buffers.episode_index import EpisodeIndex
from offctx.buffers.table import TransitionTable


def index_of(lengths, capacity=None):
    """An index whose column "rewards" counts rows, with contiguous episodes of these lengths."""
    size = sum(lengths)
    starts = np.cumsum([0, *lengths])[:-1].astype(int).tolist()
    table = TransitionTable(
        {"rewards": np.arange(size, dtype=float)[:, None]}, {"episode": np.repeat(np.arange(len(lengths)), lengths)}, capacity
    )
    return EpisodeIndex(table, starts)


def play(index, begins):
    """Append time steps of n episodes side by side; `begins` (T, n). Returns the numbers of the last step's episodes."""
    numbers = np.zeros(begins.shape[1], np.int64)
    for t in range(len(begins)):
        row = index.table.first + index.table.size
        rewards = np.arange(row, row + begins.shape[1], dtype=float)[:, None]
        numbers = index.append_side_by_side(numbers, begins[t], rewards=rewards)
    return numbers


def by_hand(index):
    """From each row's place in its episode to what the index should say, by looping over the column "episode"."""
    numbers = index.table["episode"]
    for row in range(index.table.size):
        same = np.flatnonzero(numbers == numbers[row])
        yield row, same, int(np.searchsorted(same, row))


def assert_consistent(index):
    rows = np.arange(index.table.size)
    before, after, episodes = index.steps_before(rows), index.steps_after(rows), index.of(rows)
    for row, same, place in by_hand(index):
        np.testing.assert_array_equal(index.rows(int(episodes[row])), same)
        assert (before[row], after[row]) == (place, len(same) - place - 1)
        np.testing.assert_array_equal(
            row - index.strides_of(np.array([row]))[0] * np.arange(place + 1), same[: place + 1][::-1]
        )
    assert len(index) == len(np.unique(index.table["episode"]))


@pytest.mark.parametrize("capacity", [None, 40, 23, 7])
@pytest.mark.parametrize("n", [1, 3])
def test_random_episodes_side_by_side_after_those_of_a_dataset(n, capacity):
    rng = np.random.default_rng(n)
    lengths = [2, 4, 1] if capacity != 7 else [2, 4]
    index = index_of(lengths, capacity)
    begins = rng.random((17, n)) < 0.25
    begins[0] = True
    play(index, begins)
    assert_consistent(index)
    index.begin()  # one after the other again
    index.append(rewards=np.zeros((3, 1)))
    assert_consistent(index)
    play(index, np.ones((2, 2), np.bool_))
    assert_consistent(index)


def test_a_younger_episode_that_is_overwritten_first_no_longer_counts():
    index = index_of([1], capacity=6)
    begins = np.zeros((5, 2), np.bool_)
    begins[0], begins[1, 1], begins[2, 1] = True, True, True  # lane 0 plays on; lane 1 begins twice more
    play(index, begins)
    np.testing.assert_array_equal(index.table["episode"], [1, 4, 1, 4, 1, 4])
    assert len(index) == 2 and (index.lasts >= 0).sum() == 2
    assert_consistent(index)


def test_the_lists_do_not_grow_with_episodes_that_are_overwritten():
    index = index_of([1], capacity=10)
    play(index, np.ones((500, 2), np.bool_))
    assert len(index) == 10 and len(index._bounds) < 60
