"""Stored states and actions in other contexts."""

import dataclasses

import numpy as np
import pytest

import offctx
from offctx.errors import ContextError, DatasetError, EnvError
from tests.buffers.helpers import all_of


def test_its_own_contexts_give_the_data_back(pendulum, runner):
    for dataset, env in ((pendulum, None), (runner, "testing/Runner-v0")):
        same = offctx.counterfactual(dataset, dataset.contexts[dataset.episode_starts], env, per_episode=True)
        for name in ("observations", "actions", "contexts", "context_ids", "truncations", "episode_ends", "states"):
            np.testing.assert_array_equal(getattr(same, name), getattr(dataset, name), err_msg=name)
        np.testing.assert_allclose(same.next_observations, dataset.next_observations, atol=1e-6)
        np.testing.assert_allclose(same.rewards, dataset.rewards, atol=1e-6)
        np.testing.assert_array_equal(same.terminations, dataset.terminations)


def test_every_episode_is_played_in_every_context(pendulum):
    contexts = pendulum.context_space.mesh(g=[1.5, 2.5])
    made = offctx.counterfactual(pendulum, contexts)
    n, e = len(pendulum), pendulum.num_episodes
    assert len(made) == 2 * n and made.num_episodes == 2 * e and set(made.context_ids[:n]) == {0}
    env = offctx.envs.PendulumGoal()
    for k, context in enumerate(contexts):
        part = slice(k * n, (k + 1) * n)
        states, rewards, _ = env.simulate(pendulum.states, pendulum.actions, np.tile(context, (n, 1)))
        np.testing.assert_allclose(made.next_observations[part], env.observations(states), atol=1e-6)
        np.testing.assert_allclose(made.rewards[part], rewards, atol=1e-6)
        np.testing.assert_array_equal(made.contexts[part], np.tile(context, (n, 1)))
        np.testing.assert_array_equal(made.episode_starts[k * e : (k + 1) * e], pendulum.episode_starts + k * n)


def test_windows_in_another_context_have_the_same_rows(pendulum):
    moved = offctx.counterfactual(pendulum, {"g": 2.5})
    history = offctx.History(5, "episode", "run", shortest=0)
    one, other = (d.replay_buffer("hidden", seed=1, history=history).sample_transition_batch(32) for d in (pendulum, moved))
    np.testing.assert_array_equal(one.history.observations, other.history.observations)
    np.testing.assert_array_equal(one.history.actions, other.history.actions)
    assert (one.history.next_observations != other.history.next_observations).any()
    assert all_of(moved.replay_buffer("hidden")).contexts[:, 0].tolist() == [2.5] * len(moved)


def test_what_cannot_be_played_is_refused(pendulum, runner):
    with pytest.raises(ContextError, match="extrapolate"):
        offctx.counterfactual(pendulum, {"g": 1000.0})
    assert offctx.counterfactual(pendulum, {"g": 1000.0}, extrapolate=True).contexts[0, 0] == 1000
    with pytest.raises(ContextError, match="unknown context name"):
        offctx.counterfactual(pendulum, {"gravity": 2.5})
    with pytest.raises(ContextError, match=r"expected one context for each, \(12, p\), found \(1, 4\)"):
        offctx.counterfactual(pendulum, {"g": 2.5}, per_episode=True)
    with pytest.raises(DatasetError, match="names no environment that ships with offctx"):
        offctx.counterfactual(runner, [0.5, 0.2])
    with pytest.raises(EnvError, match="PendulumGoal has the context"):
        offctx.counterfactual(runner, [0.5, 0.2], "offctx/PendulumGoal-v0")
    with pytest.raises(DatasetError, match="has not stored simulator states"):
        offctx.counterfactual(dataclasses.replace(pendulum, states=None), {"g": 2.5})
