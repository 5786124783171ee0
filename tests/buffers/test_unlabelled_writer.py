"""Steps and episodes appended without labels, with d3rlpy's own buffer as the measure."""

import numpy as np
import pytest
from d3rlpy.dataset import (
    Episode,
)

from offctx.errors import DatasetError
from tests.buffers.helpers import all_of, assert_batches_equal, feed, online_steps, stock_batch, stock_like

EPISODES = [(5, True), (4, False), (2, True), (2, False), (7, True), (1, False), (3, False)]


@pytest.mark.parametrize("name", ["runner", "chooser"])
def test_appended_steps_are_those_of_d3rlpys_own_buffer(name, library):
    dataset = library.datasets[name]
    buffer = dataset.replay_buffer()
    before, episodes = buffer.transition_count, buffer.size()
    stock = stock_like(buffer)
    for count, step in enumerate(online_steps(dataset, EPISODES[:5])):
        for each in (buffer, stock):
            feed(each, [step])
        assert buffer.transition_count - before == stock.transition_count, count
        assert buffer.size() - episodes == stock.size(), count
    found = buffer.batch(np.arange(before, buffer.transition_count))
    assert_batches_equal(found, stock_batch(stock))
    assert len(found) == 5 + 3 + 2 + 1 + 7


def test_offline_rows_stay_as_they_are_while_the_buffer_grows(runner):
    buffer = runner.replay_buffer()
    before = all_of(buffer)
    feed(buffer, online_steps(runner, [(9, True)] * 60))  # several doublings of 60 rows
    assert buffer.transition_count == 60 + 540 and buffer.size() == 12 + 60
    assert_batches_equal(buffer.batch(np.arange(60)), before)
    np.testing.assert_array_equal(buffer.batch(np.arange(60)).dreward_dcontext, runner.dreward_dcontext)
    assert np.isnan(buffer.batch(np.arange(60, 600)).dreward_dcontext).all()
    steps = list(online_steps(runner, [(9, True)] * 60))
    np.testing.assert_array_equal(buffer.batch(np.arange(60, 600)).observations, [step[0] for step in steps])


def test_a_single_step_that_terminates_is_kept(runner):
    """d3rlpy's writer forgets such an episode and glues its step to the next one."""
    buffer = runner.replay_buffer()
    feed(buffer, online_steps(runner, [(1, True), (1, True)]))
    assert buffer.transition_count == 62 and buffer.size() == 14
    assert buffer.batch(np.array([60, 61])).terminals[:, 0].tolist() == [1, 1]


def test_a_single_step_that_is_truncated_is_left_out_and_does_not_leak(runner):
    buffer = runner.replay_buffer()
    steps = list(online_steps(runner, [(1, False), (2, True)]))
    feed(buffer, steps)
    found = buffer.batch(np.arange(60, buffer.transition_count))
    np.testing.assert_array_equal(found.observations, [steps[1][0], steps[2][0]])
    np.testing.assert_array_equal(found.next_observations[0], steps[2][0])
    assert buffer.size() == 13


@pytest.mark.parametrize("episodes", [[(5, True)], [(5, False)], [(4, False), (6, True)]])
def test_returns_to_go_of_appended_steps_are_d3rlpys(episodes, runner):
    buffer = runner.replay_buffer()
    stock = stock_like(buffer)
    steps = list(online_steps(runner, episodes))
    for each in (buffer, stock):
        feed(each, steps)
    ours = buffer.batch(np.arange(60, buffer.transition_count)).transitions
    theirs = stock_batch(stock).transitions
    for i, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        assert one.rewards_to_go.sum() == pytest.approx(other.rewards_to_go.sum(), abs=1e-5), i


@pytest.mark.parametrize("terminated", [True, False])
def test_append_episode_is_d3rlpys(terminated, runner):
    buffer = runner.replay_buffer()
    stock = stock_like(buffer)
    rng = np.random.default_rng(1)
    context = np.tile(runner.unique_contexts[1], (6, 1))
    observations = np.concatenate([rng.normal(size=(6, 3)), context], axis=1).astype(np.float32)
    actions, rewards = rng.normal(size=(6, 1)).astype(np.float32), rng.normal(size=(6, 1)).astype(np.float32)
    episode = Episode(observations, actions, rewards, terminated)
    for each in (buffer, stock):
        each.append_episode(episode)
    found = buffer.batch(np.arange(60, buffer.transition_count))
    assert_batches_equal(found, stock_batch(stock))
    assert len(found) == 6 - (not terminated)
    assert buffer.size() == 13 and (found.context_ids == 1).all()
    np.testing.assert_array_equal(found.contexts, context[: len(found)].astype(np.float32))


def test_an_episode_of_another_buffer_of_ours_keeps_its_last_transition(runner):
    buffer, other = runner.replay_buffer(), runner.replay_buffer()
    for episode in other.episodes:
        buffer.append_episode(episode)
    assert buffer.transition_count == 120 and buffer.size() == 24
    alive = np.flatnonzero(~runner.terminations)
    found, truth = buffer.batch(60 + alive), other.batch(alive)
    assert_batches_equal(found, truth)
    np.testing.assert_array_equal(found.context_ids, truth.context_ids)


def test_append_episode_closes_the_one_that_grows(runner):
    buffer = runner.replay_buffer()
    steps = list(online_steps(runner, [(3, True)]))
    feed(buffer, [(*step[:3], None) for step in steps])  # still open: two transitions
    buffer.append_episode(runner.replay_buffer().episodes[0])
    buffer.append(*steps[0][:3])
    buffer.append(*steps[1][:3])
    assert [len(e) for e in buffer.episodes][12:] == [2, 6, 1]


def test_where_the_context_is_hidden_that_of_appended_steps_is_unknown(runner):
    buffer = runner.replay_buffer(context="hidden")
    feed(buffer, [(np.ones(3, np.float32), np.zeros(1, np.float32), 1.0, True)])
    found = buffer.batch(np.array([60]))
    assert found.context_ids.tolist() == [-1] and np.isnan(found.contexts).all()
    assert np.isfinite(found.observations).all()


@pytest.mark.parametrize("context", ["append", "hidden"])
def test_observations_of_the_wrong_size_are_refused(context, runner):
    buffer = runner.replay_buffer(context=context)
    wrong = {"append": 3, "hidden": 5}[context]
    with pytest.raises(DatasetError, match=rf"shape \({8 - wrong},\).*found \({wrong},\).*AppendContext"):
        buffer.append(np.zeros(wrong, np.float32), np.zeros(1, np.float32), 0.0)


def test_actions_of_the_wrong_size_are_refused(runner):
    buffer = runner.replay_buffer()
    with pytest.raises(DatasetError, match="action"):
        buffer.append(np.zeros(5, np.float32), np.zeros(2, np.float32), 0.0)
