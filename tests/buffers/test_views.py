"""Episodes and transitions of a buffer as d3rlpy's objects."""

import numpy as np
import pytest
from d3rlpy.dataset import (
    BasicTransitionPicker,
    TransitionMiniBatch,
)

from tests.buffers.helpers import FIELDS, all_of, assert_batches_equal


@pytest.mark.parametrize("name", ["runner", "chooser"])
def test_transition_objects_equal_the_batch(name, library):
    buffer = library.datasets[name].replay_buffer(seed=3)
    batch = buffer.sample_transition_batch(50)
    assert_batches_equal(TransitionMiniBatch.from_transitions(list(batch.transitions)), batch)
    assert len(batch.transitions[10:20]) == 10
    np.testing.assert_array_equal(batch.transitions[10:20][3].observation, batch.observations[13])
    dtype = {"runner": np.float32, "chooser": np.int64}[name]
    assert batch.transitions[0].action.dtype == dtype
    assert buffer.sample_transition().action.dtype == dtype


def test_rewards_to_go_run_to_the_end_of_the_episode(runner):
    buffer = runner.replay_buffer()
    for i, transition in enumerate(all_of(buffer).transitions):
        end = runner.episode_ends[runner.episode_ends > i][0]
        np.testing.assert_array_equal(transition.rewards_to_go[:, 0], runner.rewards[i:end].astype(np.float32))


@pytest.mark.parametrize("name", ["runner", "chooser"])
def test_stock_transition_pickers_see_the_same_transitions(name, library):
    """Scalers and evaluators go by the episodes and a picker, not by the batches."""
    buffer = library.datasets[name].replay_buffer()
    assert isinstance(buffer.transition_picker, BasicTransitionPicker)
    picked = [buffer.transition_picker(e, t) for e in buffer.episodes for t in range(e.transition_count)]
    found = TransitionMiniBatch.from_transitions(picked)
    truth = all_of(buffer)
    alive = truth.terminals[:, 0] == 0
    for field in FIELDS:
        rows = alive if field == "next_observations" else slice(None)  # d3rlpy puts zeros after a termination
        np.testing.assert_array_equal(getattr(found, field)[rows], getattr(truth, field)[rows], err_msg=field)
    pairs = [buffer.buffer[i] for i in range(len(buffer.buffer))]
    for i in (0, 7, 30, len(pairs) - 1):
        np.testing.assert_array_equal(pairs[i][0].observations[pairs[i][1]], truth.observations[i])


def test_episodes(runner):
    buffer = runner.replay_buffer()
    assert buffer.size() == len(buffer.episodes) == 12
    for e, episode in enumerate(buffer.episodes):
        start, end = runner.episode_starts[e], runner.episode_ends[e]
        assert len(episode) == episode.size() == episode.transition_count == end - start
        assert episode.terminated == runner.terminations[end - 1]
        np.testing.assert_allclose(episode.compute_return(), runner.episode_returns[e], rtol=1e-5)
        np.testing.assert_array_equal(episode.observations[1:, :3], runner.next_observations[start:end])
