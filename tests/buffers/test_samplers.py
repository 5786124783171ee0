"""Samplers: who is drawn, and that draws stay right when rows are appended or overwritten."""

import numpy as np
import pytest
from d3rlpy.dataset import Episode

from offctx.buffers.replay_buffer import ContextualReplayBuffer
from offctx.buffers.samplers import BalancedSampler, LabelsOfRows, UniformSampler
from offctx.buffers.table import TransitionTable
from offctx.errors import DatasetError


def make_table(ids, capacity=None):
    """Rows whose reward is their number, with these context ids."""
    numbers = np.arange(len(ids), dtype=np.float32)[:, None]
    return TransitionTable({"rewards": numbers}, {"context_ids": np.asarray(ids)}, capacity)


def append(table, ids, first_number):
    """More such rows."""
    numbers = np.arange(first_number, first_number + len(ids), dtype=np.float32)[:, None]
    table.append(rewards=numbers, context_ids=np.asarray(ids))


def drawn(sampler, table, batch_size, seed=0):
    """The rewards, which number the rows, and context ids of one batch."""
    index = sampler.draw(table, batch_size, np.random.default_rng(seed))
    return table.take("rewards", index)[:, 0], table.take("context_ids", index)


def by_context(table):
    return table["context_ids"]


def test_uniform_draws_come_from_all_rows_that_there_are_now():
    table = make_table([0, 0, 1])
    assert set(drawn(UniformSampler(), table, 100)[0]) == {0, 1, 2}
    append(table, [5, 5], 3)
    assert set(drawn(UniformSampler(), table, 100)[0]) == {0, 1, 2, 3, 4}


def test_balanced_batches_have_one_arrangement():
    table = make_table([4, 0, 0, 2, 0, 0, 4])
    sampler = BalancedSampler(by_context)
    for seed in range(5):
        assert drawn(sampler, table, 9, seed)[1].tolist() == [0, 0, 0, 2, 2, 2, 4, 4, 4]
    assert drawn(sampler, table, 10)[1][:9].tolist() == [0, 0, 0, 2, 2, 2, 4, 4, 4]


def test_balanced_draws_follow_appended_and_overwritten_rows():
    table = make_table([0, 0, 0, 1], capacity=6)
    sampler = BalancedSampler(by_context)
    assert drawn(sampler, table, 4)[1].tolist() == [0, 0, 1, 1]
    append(table, [2, 1], 4)
    rewards, ids = drawn(sampler, table, 60)
    assert np.bincount(ids).tolist() == [20, 20, 20] and set(rewards) == {0, 1, 2, 3, 4, 5}
    append(table, [2, 2, 2], 6)  # the rows of context 0 are overwritten
    rewards, ids = drawn(sampler, table, 60)
    assert np.bincount(ids).tolist() == [0, 30, 30] and set(rewards) == {3, 4, 5, 6, 7, 8}


def test_given_labels_belong_to_their_rows_when_rows_are_appended_or_overwritten():
    table = make_table([0, 1, 2, 3], capacity=6)
    append(table, [4, 5, 6], 4)  # row 0 is overwritten already
    labels = np.array([7, 7, -1, 9, 9, 9])
    sampler = BalancedSampler(LabelsOfRows(labels, table))
    labels[:] = 0  # a copy is kept
    rewards, _ = drawn(sampler, table, 40)
    assert set(rewards[:20]) == {1, 2} and set(rewards[20:]) == {4, 5, 6}
    append(table, [7, 8], 7)  # rows 1 and 2 go; rows 7 and 8 have no label
    rewards, ids = drawn(sampler, table, 40)
    assert set(rewards) == {4, 5, 6} and (rewards == ids).all()
    append(table, [9, 9, 9, 9], 9)
    with pytest.raises(DatasetError, match=r"label >= 0; none is left in the buffer"):
        sampler.draw(table, 4, np.random.default_rng(0))


def test_a_stratified_view_follows_the_rows_of_its_buffer(runner):
    """Every row that the view draws has the label that it was given, after rows were appended and overwritten."""
    buffer = ContextualReplayBuffer(runner, context="hidden", seed=3, capacity=70)
    number_of = {row.tobytes(): i for i, row in enumerate(buffer.table["observations"])}
    labels = np.arange(60) % 3
    view, numbers = buffer.stratified(labels), []
    for _ in range(5):
        drawn_rows = view.sample_transition_batch(300).observations
        numbers.append(np.array([number_of[row.tobytes()] for row in drawn_rows]))  # no appended row is among them
        np.testing.assert_array_equal(labels[numbers[-1]], np.arange(3).repeat(100))
        buffer.append_episode(
            Episode(np.full((6, 3), 1e3, np.float32), np.zeros((6, 1), np.float32), np.zeros((6, 1), np.float32), True)
        )
    assert numbers[0].min() == 0 and numbers[4].min() == 14


def test_a_view_leaves_its_buffer_as_it_was(runner):
    buffer, plain = (runner.replay_buffer(seed=2) for _ in range(2))
    view = buffer.with_sampler(BalancedSampler(by_context))
    assert isinstance(buffer.sampler, UniformSampler) and isinstance(view.sampler, BalancedSampler)
    np.testing.assert_array_equal(buffer.sample_transition_batch(8).rewards, plain.sample_transition_batch(8).rewards)
