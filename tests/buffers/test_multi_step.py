"""Transitions over several steps: d3rlpy's own buffer is the reference."""

import io

import d3rlpy
import numpy as np
import pytest
from d3rlpy.dataset import InfiniteBuffer, MultiStepTransitionPicker, ReplayBuffer, TransitionMiniBatch

import offctx
from offctx.algos import LinearPEVIConfig
from offctx.errors import DatasetError, DerivativeError, LinearError
from tests.buffers.helpers import FIELDS, all_of, assert_batches_equal, feed, online_steps


def of_d3rlpy(buffer, picker):
    """All transitions of d3rlpy's own buffer, loaded from what ours wrote."""
    file = io.BytesIO()
    buffer.dump(file)
    file.seek(0)
    stock = ReplayBuffer.load(file, InfiniteBuffer(), transition_picker=picker)
    assert stock.transition_count == buffer.transition_count
    return TransitionMiniBatch.from_transitions([picker(*stock.buffer[row]) for row in range(stock.transition_count)])


def assert_agrees(found, reference, fields=FIELDS):
    """Equal, but for next observations after a termination, which are zeros in d3rlpy's buffer, and the rounding of sums."""
    alive = reference.terminals[:, 0] == 0
    for name in fields:
        rows = alive if name == "next_observations" else slice(None)
        tolerance = {"rewards": 1e-6}.get(name, 0)
        one, other = getattr(found, name), getattr(reference, name)
        assert one.dtype == other.dtype == np.float32 and one.shape == other.shape, name
        np.testing.assert_allclose(one[rows], other[rows], rtol=tolerance, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("n_steps", [1, 2, 3, 20])
@pytest.mark.parametrize("name", ["runner", "chooser"])
def test_every_transition_is_that_of_d3rlpys_buffer(name, n_steps, library):
    """The runner's episodes are terminated, truncated, or both; 20 steps are more than an episode has."""
    picker = MultiStepTransitionPicker(n_steps=n_steps, gamma=0.9)
    data = library.datasets[name]
    buffer = data.replay_buffer(transition_picker=picker)
    batch = all_of(buffer)
    assert_agrees(batch, of_d3rlpy(buffer, picker))
    assert {1, min(n_steps, 3)} <= set(batch.intervals[:, 0].astype(int)), "cut short at the end of an episode"
    ends = batch.terminals[:, 0] == 1
    last = np.repeat(data.episode_ends - 1, data.episode_ends - data.episode_starts)
    size = data.observations.shape[1]
    np.testing.assert_array_equal(batch.next_observations[ends, :size], data.next_observations[last[ends]].astype(np.float32))


def test_by_hand(runner):
    buffer = runner.replay_buffer("hidden", transition_picker=MultiStepTransitionPicker(n_steps=3, gamma=0.5))
    start, end = int(runner.episode_starts[0]), int(runner.episode_ends[0])
    rewards = runner.rewards
    batch = buffer.batch(np.array([start, end - 2]))
    returns = [rewards[start] + 0.5 * rewards[start + 1] + 0.25 * rewards[start + 2], rewards[end - 2] + 0.5 * rewards[end - 1]]
    np.testing.assert_allclose(batch.rewards[:, 0], returns, rtol=1e-6)
    np.testing.assert_array_equal(batch.intervals[:, 0], [3, 2])
    np.testing.assert_array_equal(batch.next_observations, runner.next_observations[[start + 2, end - 1]])
    assert batch.dnext_observation_dcontext is None, "the derivatives are those of single steps"
    np.testing.assert_array_equal(batch.contexts, runner.contexts[[start, end - 2]].astype(np.float32))


def test_objects_and_samples_are_of_several_steps_too(runner):
    picker = MultiStepTransitionPicker(n_steps=2, gamma=0.9)
    buffer = runner.replay_buffer(seed=3, transition_picker=picker)
    batch = buffer.sample_transition_batch(50)
    assert_batches_equal(TransitionMiniBatch.from_transitions(list(batch.transitions)), batch)
    picked = [buffer.transition_picker(e, t) for e in buffer.episodes for t in range(e.transition_count)]
    assert_agrees(all_of(buffer), TransitionMiniBatch.from_transitions(picked))
    assert set(buffer.stratified(buffer.table["context_ids"]).sample_transition_batch(50).intervals[:, 0]) == {1, 2}


def test_steps_appended_online_and_rows_that_are_overwritten(runner):
    settings = offctx.buffers.multi_step.MultiStep(3, 0.9)
    buffer = offctx.buffers.replay_buffer.ContextualReplayBuffer(runner, capacity=65, multi_step=settings)
    feed(buffer, online_steps(runner, [(5, True), (4, False), (6, True)]))
    assert buffer.table.first > 0
    fields = [name for name in FIELDS if name != "next_actions"]  # of an episode cut online ours knows it; the file does not
    assert_agrees(all_of(buffer), of_d3rlpy(buffer, MultiStepTransitionPicker(3, 0.9)), fields)


def test_a_stock_algorithm_learns_from_them(pendulum):
    buffer = pendulum.replay_buffer(transition_picker=MultiStepTransitionPicker(n_steps=3, gamma=0.99))
    agent = d3rlpy.algos.TD3Config(batch_size=8, reward_scaler=d3rlpy.preprocessing.StandardRewardScaler()).create()
    offctx.algos.train(agent, buffer, steps=2, seed=0, progress=False)
    rewards = all_of(buffer).rewards
    assert agent.reward_scaler.mean == pytest.approx(rewards.mean(), rel=1e-5), "fitted to returns of several steps"


def test_what_does_not_go_with_them_is_refused(pendulum, chooser):
    picker = MultiStepTransitionPicker(n_steps=3, gamma=0.99)
    with pytest.raises(DerivativeError, match=r"^CSE changes single .* returns of n steps.*n_steps=3\): leave out"):
        pendulum.replay_buffer(transition_picker=picker, augmentation=offctx.CSE(0.1))
    with pytest.raises(LinearError, match="a closed-form fit reads single steps"):
        LinearPEVIConfig(horizon=6).create().fit(chooser.replay_buffer(transition_picker=picker))
    for wrong in ({"n_steps": 0, "gamma": 0.9}, {"n_steps": 1.5, "gamma": 0.9}, {"n_steps": 2, "gamma": 1.1}):
        with pytest.raises(DatasetError, match=r"n_steps must be a whole number|gamma must be in"):
            pendulum.replay_buffer(transition_picker=MultiStepTransitionPicker(**wrong))
