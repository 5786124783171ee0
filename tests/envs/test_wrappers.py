"""The wrappers for tools that know nothing of contexts."""

import gymnasium
import numpy as np
import pytest

from offctx.envs import AppendContext, CycleContexts, LabelTransitions, PendulumGoal, RandomContexts, SimpleDirection
from offctx.errors import ContextError, DerivativeError, EnvError, PolicyError

CONTEXTS = np.array([[0.5, -0.5], [1.0, 0.25], [0.0, 0.0]])


def test_the_context_is_appended_in_reset_and_step() -> None:
    env, plain = AppendContext(gymnasium.make("offctx/SimpleDirection-v0")), gymnasium.make("offctx/SimpleDirection-v0")
    for context in CONTEXTS:
        seen, _ = env.reset(seed=1, options={"context": context})
        expected, _ = plain.reset(seed=1, options={"context": context})
        for _ in range(10):
            assert seen.dtype == np.float32 and env.observation_space.contains(seen)
            assert np.array_equal(seen, np.concatenate([expected, context]).astype(np.float32))
            seen, _, _, truncated, info = env.step(np.array([0.5, 0.5], np.float32))
            expected, *_ = plain.step(np.array([0.5, 0.5], np.float32))
            assert np.array_equal(info["context"], context)
        assert truncated


def test_the_appended_space_is_both_spaces() -> None:
    env = AppendContext(gymnasium.make("offctx/PendulumGoal-v0"))
    assert env.observation_space.low.tolist() == [-1, -1, -np.inf, 0.5, 0.5, 0.5, -1]
    assert env.observation_space.high.tolist() == [1, 1, np.inf, 5, 2, 2, 1]
    assert env.observation_space.dtype == np.float32


def test_contexts_are_cycled_in_order() -> None:
    env = CycleContexts(gymnasium.make("offctx/SimpleDirection-v0"), CONTEXTS)
    for _ in range(2):
        for context in CONTEXTS:
            _, info = env.reset()
            assert np.array_equal(info["context"], context)


def test_an_asked_context_goes_first_and_takes_no_turn() -> None:
    env = CycleContexts(SimpleDirection(), CONTEXTS)
    env.reset()
    _, info = env.reset(options={"context": (-1.0, -1.0)})
    assert np.array_equal(info["context"], [-1, -1])
    _, info = env.reset(options={"extrapolate": False})
    assert np.array_equal(info["context"], CONTEXTS[1])


def test_the_seed_passes_through() -> None:
    env = CycleContexts(SimpleDirection(), CONTEXTS[:1])
    (first, _), (again, _), (other, _) = (env.reset(seed=seed) for seed in (3, 3, 4))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_they_work_on_one_another() -> None:
    env = AppendContext(CycleContexts(SimpleDirection(), CONTEXTS))
    assert [env.reset()[0][2:].tolist() for _ in range(3)] == CONTEXTS.tolist()


def drawn(env, n, **kwargs):
    return np.array([env.reset(**kwargs)[1]["context"] for _ in range(n)])


def test_contexts_are_drawn_uniformly_and_again_with_the_same_seed() -> None:
    one, again, other = (drawn(RandomContexts(SimpleDirection(), CONTEXTS, seed=seed), 60, seed=4) for seed in (0, 0, 1))
    assert np.array_equal(one, again) and not np.array_equal(one, other)
    counts = [(one == context).all(axis=1).sum() for context in CONTEXTS]
    assert sum(counts) == 60 and min(counts) > 8


def test_contexts_are_drawn_by_a_function() -> None:
    space = SimpleDirection.context_space
    found = drawn(RandomContexts(SimpleDirection(), lambda rng: space.local(1, 0.2, rng)[0], seed=0), 40)
    rng = np.random.default_rng(0)
    assert np.array_equal(found, np.array([space.local(1, 0.2, rng)[0] for _ in range(40)]))


def test_an_asked_context_goes_before_a_drawn_one() -> None:
    env = RandomContexts(SimpleDirection(), CONTEXTS, seed=0)
    expected = drawn(RandomContexts(SimpleDirection(), CONTEXTS, seed=0), 1)
    _, info = env.reset(options={"context": (-1.0, -1.0)})
    assert np.array_equal(info["context"], [-1, -1])
    assert np.array_equal(drawn(env, 1), expected)


def test_what_is_drawn_must_be_a_context() -> None:
    with pytest.raises(ContextError, match="c_y=3"):
        RandomContexts(SimpleDirection(), lambda rng: (0, 3), seed=0).reset()
    with pytest.raises(ContextError, match="c_y=3"):
        RandomContexts(SimpleDirection(), [[0, 0], [0, 3]], seed=0)
    with pytest.raises(EnvError, match="seed must be a whole number"):
        RandomContexts(SimpleDirection(), CONTEXTS, seed=None)  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize("context", ["append", "hidden"])
@pytest.mark.parametrize("env_id", ["PendulumGoal", "SimpleDirectionStochastic", "CartGoal"])
def test_infos_carry_the_derivatives_of_the_step(env_id, context) -> None:
    env, plain = LabelTransitions(gymnasium.make(f"offctx/{env_id}-v0"), context), gymnasium.make(f"offctx/{env_id}-v0")
    inner = plain.unwrapped
    asked = {"context": inner.context_space.sample(np.random.default_rng(0))}
    seen, info = env.reset(seed=1, options=asked)
    expected, before = plain.reset(seed=1, options=asked)
    o, p = len(expected), inner.context_space.size
    keys = set(info)
    assert keys == set(before) | {"dnext_observation_dcontext", "dreward_dcontext"}
    assert info["dnext_observation_dcontext"].shape == (o, p) and not info["dnext_observation_dcontext"].any()
    assert info["dreward_dcontext"].shape == (p,) and not info["dreward_dcontext"].any()
    env.action_space.seed(0)
    for t in range(5):
        action = env.action_space.sample()
        following, reward, terminated, truncated, info = env.step(action)
        expected, expected_reward, *_, after = plain.step(action)
        assert reward == expected_reward and set(info) == keys
        noise = after["noise"][None] if inner.noise_size else None
        actions = inner.admit_actions(np.asarray(action)[None], 1)
        dnext, dreward = inner.derivatives(before["state"][None], actions, asked["context"][None], noise)
        assert np.array_equal(info["dnext_observation_dcontext"], dnext[0].astype(np.float32)) and dnext.any()
        assert np.array_equal(info["dreward_dcontext"], dreward[0].astype(np.float32))
        appended = asked["context"] if context == "append" else []
        assert np.array_equal(following, np.concatenate([expected, appended]).astype(np.float32))
        assert env.observation_space.contains(following) and following.dtype == np.float32
        last = env.last
        assert (last.episode, last.step, last.terminated, last.truncated) == (1, t, terminated, truncated)
        assert np.array_equal(last.observation, seen) and np.array_equal(last.next_observation, following)
        assert np.array_equal(last.action, action) and last.reward == reward
        assert np.array_equal(last.state, before["state"]) and np.array_equal(last.context, asked["context"])
        assert (last.noise is None) == (not inner.noise_size)
        assert np.array_equal(last.dreward_dcontext, info["dreward_dcontext"])
        following[:] = 99  # the agent's to change
        seen, before = env.last.next_observation, after
        assert not (seen == 99).any()
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
    made = gymnasium.make("offctx/SimpleDirection-v0", max_episode_steps=2)
    env = LabelTransitions(CycleContexts(gymnasium.wrappers.RecordEpisodeStatistics(made), CONTEXTS))
    for context in CONTEXTS:
        seen, _ = env.reset()
        assert np.array_equal(seen[2:], context)
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


def test_invalid_contexts_and_environments_without_contexts_are_refused() -> None:
    with pytest.raises(ContextError, match=r"c_y=3.* \(row 1 of 2\) is out of bounds"):
        CycleContexts(SimpleDirection(), [[0, 0], [0, 3]])
    for wrap in (AppendContext, lambda env: CycleContexts(env, CONTEXTS), lambda env: RandomContexts(env, CONTEXTS, seed=0)):
        with pytest.raises(EnvError, match=r"CartPoleEnv is not an offctx.envs.ContextualEnv"):
            wrap(gymnasium.make("CartPole-v1"))
