"""Transitions labelled with their context and its derivatives, for online CSE."""

import gymnasium
import numpy as np
import pytest

from offctx.envs import AppendContext, CycleContexts, LabelTransitions, PendulumGoal, SimpleDirection
from offctx.errors import DerivativeError, EnvError, PolicyError

CONTEXTS = np.array([[0.5, -0.5], [1.0, 0.25], [0.0, 0.0]])


@pytest.mark.parametrize("context", ["append", "hidden"])
@pytest.mark.parametrize("env_id", ["PendulumGoal", "SimpleDirectionStochastic", "CartGoal"])
def test_infos_carry_the_derivatives_of_the_step(env_id, context) -> None:
    env, plain = LabelTransitions(gymnasium.make(f"offctx/{env_id}-v0"), context), gymnasium.make(f"offctx/{env_id}-v0")
    inner = plain.unwrapped
    options = {"context": inner.context_space.sample(np.random.default_rng(0))}
    observation, info = env.reset(seed=1, options=options)
    expected, before = plain.reset(seed=1, options=options)
    o, p = len(expected), inner.context_space.size
    keys = set(info)
    assert keys == set(before) | {"dnext_observation_dcontext", "dreward_dcontext"}
    assert info["dnext_observation_dcontext"].shape == (o, p) and not info["dnext_observation_dcontext"].any()
    assert info["dreward_dcontext"].shape == (p,) and not info["dreward_dcontext"].any()
    env.action_space.seed(0)
    for t in range(5):
        action = env.action_space.sample()
        next_observation, reward, terminated, truncated, info = env.step(action)
        expected, expected_reward, *_, after = plain.step(action)
        assert reward == expected_reward and set(info) == keys
        noise = after["noise"][None] if inner.noise_size else None
        actions = inner.admit_actions(np.asarray(action)[None], 1)
        dnext, dreward = inner.derivatives(before["state"][None], actions, options["context"][None], noise)
        assert np.array_equal(info["dnext_observation_dcontext"], dnext[0].astype(np.float32)) and dnext.any()
        assert np.array_equal(info["dreward_dcontext"], dreward[0].astype(np.float32))
        appended = options["context"] if context == "append" else []
        assert np.array_equal(next_observation, np.concatenate([expected, appended]).astype(np.float32))
        assert env.observation_space.contains(next_observation) and next_observation.dtype == np.float32
        last = env.last
        assert (last.episode, last.step, last.terminated, last.truncated) == (1, t, terminated, truncated)
        assert np.array_equal(last.observation, observation) and np.array_equal(last.next_observation, next_observation)
        assert np.array_equal(last.action, action) and last.reward == reward
        assert np.array_equal(last.state, before["state"]) and np.array_equal(last.context, options["context"])
        assert (last.noise is None) == (not inner.noise_size)
        assert np.array_equal(last.dreward_dcontext, info["dreward_dcontext"])
        next_observation[:] = 99  # the agent may change it
        observation, before = env.last.next_observation, after
        assert not (observation == 99).any()
    env.reset()
    assert env.last is None


def test_derivatives_are_those_at_the_action_that_the_environment_admits() -> None:
    env, clipped = LabelTransitions(PendulumGoal()), LabelTransitions(PendulumGoal())
    for each in (env, clipped):
        each.reset(seed=0)
    *_, info = env.step(np.array([5.0], np.float32))
    *_, expected = clipped.step(np.array([2.0], np.float32))
    assert np.array_equal(info["dreward_dcontext"], expected["dreward_dcontext"])
    assert env.last.action.tolist() == [5]  # what the agent chose
    with pytest.raises(PolicyError):
        env.step(np.array([np.nan], np.float32))


def test_without_gradients_there_are_no_such_infos() -> None:
    env = LabelTransitions(SimpleDirection(), gradients=False)
    assert set(env.reset(seed=0)[1]) == {"context", "state"}
    assert set(env.step(np.zeros(2, np.float32))[-1]) == {"context", "state"}
    assert env.last.dreward_dcontext is None


def test_labels_stand_around_choices_of_contexts_limits_and_recorders() -> None:
    recorded = gymnasium.make("offctx/SimpleDirection-v0", max_episode_steps=2)
    env = LabelTransitions(CycleContexts(gymnasium.wrappers.RecordEpisodeStatistics(recorded), CONTEXTS))
    for context in CONTEXTS:
        observation, _ = env.reset()
        assert np.array_equal(observation[2:], context)
        env.step(np.zeros(2, np.float32))
        *_, truncated, info = env.step(np.zeros(2, np.float32))
        assert truncated and env.last.truncated and info["episode"]["l"] == 2


def test_labels_refuse_what_they_could_not_label() -> None:
    with pytest.raises(EnvError, match="wrapper TransformReward inside LabelTransitions may change"):
        LabelTransitions(gymnasium.wrappers.TransformReward(SimpleDirection(), lambda r: 2 * r))
    with pytest.raises(EnvError, match="wrapper AppendContext inside"):
        LabelTransitions(AppendContext(SimpleDirection()))
    with pytest.raises(EnvError, match=r"CartPoleEnv is not an offctx\.envs\.ContextualEnv"):
        LabelTransitions(gymnasium.make("CartPole-v1"))
    with pytest.raises(PolicyError, match='"append" or "hidden"'):
        LabelTransitions(SimpleDirection(), context="shown")  # type: ignore[arg-type]  # that is the point
    with pytest.raises(DerivativeError, match="Underived has no context derivatives: pass gradients=False"):
        LabelTransitions(gymnasium.make("testing/Underived-v0"))
    LabelTransitions(gymnasium.make("testing/Underived-v0"), gradients=False)
