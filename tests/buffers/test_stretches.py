"""Stretches of rows, and windows, where episodes are rows at equal distances, overwritten, or change their context."""

import numpy as np
import pytest

from offctx.buffers.episode_index import EpisodeIndex
from offctx.buffers.stretches import Stretches
from offctx.buffers.table import TransitionTable
from offctx.buffers.window_sampler import WindowSampler
from tests.buffers.histories import random_history


def empty_index(capacity):
    columns = {"rewards": np.zeros((0, 1))}, {"episode": np.zeros(0, np.int64), "context_ids": np.zeros(0, np.int64)}
    return EpisodeIndex(TransitionTable(*columns, capacity), [])


def play(index, rng, n, steps, changes=0.0):
    """Random time steps of n environments side by side; yields after each. Unknown contexts have the id -1."""
    numbers, ids = np.zeros(n, np.int64), np.zeros(n, np.int64)
    for t in range(steps):
        begins = (rng.random(n) < 0.25) | (t == 0)
        ids = np.where(begins | (rng.random(n) < changes), rng.integers(-1, 3, n), ids)
        numbers = index.append_side_by_side(numbers, begins, rewards=np.zeros((n, 1)), context_ids=ids)
        yield


def assert_windows(sampler, index, rng, size=12):
    table, history = index.table, sampler.history
    episodes, ids = table["episode"], table["context_ids"]
    keys = np.where(ids < 0, -1 - episodes, ids)
    rows = sampler.with_companions(rng.integers(table.size, size=size), rng).reshape(size, -1)
    owners = episodes if history.within == "episode" else keys
    assert (owners[rows] == owners[rows[:, :1]]).all()
    slots, mask = sampler.draw(rows, rng)
    assert (slots[~mask] == 0).all() and (np.diff(mask.astype(int), axis=1) >= 0).all()
    for window, filled, own in zip(slots, mask, rows, strict=True):
        shown = window[filled]
        assert len(set(shown)) == len(shown)
        free = np.flatnonzero(keys == keys[own[0]])
        for row in own:
            assert not ((episodes[shown] == episodes[row]) & (shown >= row)).any()
            free = free[~((episodes[free] == episodes[row]) & (free >= row))]
        if history.within == "episode":
            assert history.shuffle or (np.diff(shown) > 0).all()
            free = free[episodes[free] == episodes[own[0]]]
        assert set(shown) <= set(free)
        if history.shortest is None and (history.draw != "last" or history.within == "episode"):
            assert len(shown) == min(history.slots, history.length, len(free))


@pytest.mark.parametrize("capacity", [None, 40, 23, 7])
@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("seed", range(3))
def test_windows_of_environments_side_by_side(n, capacity, seed):
    rng = np.random.default_rng([n, seed])
    index = empty_index(capacity)
    samplers = [WindowSampler(random_history(rng), index) for _ in range(3)]
    for t, _ in enumerate(play(index, rng, n, 40)):
        if t % 3 == 0 or t > 36:
            for sampler in samplers:
                assert_windows(sampler, index, rng)
    index.begin()
    index.append(rewards=np.zeros((4, 1)), context_ids=np.full(4, 1))
    for sampler in samplers:
        assert_windows(sampler, index, rng)


@pytest.mark.parametrize("capacity", [None, 23])
def test_an_episode_that_changes_its_context_is_several_stretches(capacity):
    rng = np.random.default_rng(0)
    index = empty_index(capacity)
    kept = Stretches(index)
    for _ in play(index, rng, 2, 30, changes=0.3):
        episodes, ids = index.table["episode"], index.table["context_ids"]
        rows = np.arange(index.table.size)
        kept.refresh()
        for stretches in (kept, Stretches(index)):
            owners = stretches.of(rows)
            assert stretches.counts.sum() == index.table.size
            for stretch in range(len(stretches.starts)):
                own = rows[owners == stretch]
                assert len(set(episodes[own])) == len(set(ids[own])) == 1
                expected = stretches.starts[stretch] + stretches.strides[stretch] * np.arange(stretches.counts[stretch])
                assert own.tolist() == expected.tolist()


def test_places_number_the_rows_context_by_context():
    rng = np.random.default_rng(1)
    index = empty_index(None)
    for _ in play(index, rng, 3, 50):
        pass
    stretches = Stretches(index)
    few, many = stretches.row_at(np.arange(10)), stretches.row_at(np.arange(index.table.size))
    assert few.tolist() == many[:10].tolist() and sorted(many) == list(range(index.table.size))
    starts = stretches.sequence_starts[stretches.of(many)]
    assert (np.diff(starts) >= 0).all()


@pytest.mark.parametrize("changes", [0.0, 0.3])
@pytest.mark.parametrize("capacity", [7, 23])
def test_an_index_that_reads_a_full_ring_anew_has_the_order_of_one_that_grew(capacity, changes):
    rng = np.random.default_rng(2)
    index = empty_index(capacity)
    grown, seldom = Stretches(index), Stretches(index)
    cut = 0
    for t, _ in enumerate(play(index, rng, 4, 60, changes)):
        grown.refresh()
        places = np.arange(index.table.size)
        expected = grown.row_at(places).tolist()
        assert Stretches(index).row_at(places).tolist() == expected
        if t % 9 == 8:  # all rows have been overwritten since
            seldom.refresh()
            assert seldom.row_at(places).tolist() == expected
        cut += (index.starts < 0).any()
        owners = grown.of(np.array(expected))
        numbers, sequences = index.table.take("episode", np.array(expected)), grown.sequence_starts[owners]
        assert (np.diff(numbers) >= 0)[np.diff(sequences) == 0].all()
    assert cut > 40
