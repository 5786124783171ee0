"""The wrappers for tools that do not know contexts."""

import gymnasium
import numpy as np
import pytest

from offctx.envs import AppendContext, CycleContexts, RandomContexts, SimpleDirection
from offctx.errors import ContextError, EnvError

CONTEXTS = np.array([[0.5, -0.5], [1.0, 0.25], [0.0, 0.0]])


def test_the_context_is_appended_in_reset_and_step() -> None:
    env, plain = AppendContext(gymnasium.make("offctx/SimpleDirection-v0")), gymnasium.make("offctx/SimpleDirection-v0")
    for context in CONTEXTS:
        observation, _ = env.reset(seed=1, options={"context": context})
        expected, _ = plain.reset(seed=1, options={"context": context})
        for _ in range(10):
            assert observation.dtype == np.float32 and env.observation_space.contains(observation)
            assert np.array_equal(observation, np.concatenate([expected, context]).astype(np.float32))
            observation, _, _, truncated, info = env.step(np.array([0.5, 0.5], np.float32))
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


def test_a_context_in_the_options_takes_precedence_and_no_turn() -> None:
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
    contexts = drawn(RandomContexts(SimpleDirection(), lambda rng: space.local(1, 0.2, rng)[0], seed=0), 40)
    rng = np.random.default_rng(0)
    assert np.array_equal(contexts, np.array([space.local(1, 0.2, rng)[0] for _ in range(40)]))


def test_a_context_in_the_options_takes_precedence_over_a_drawn_one() -> None:
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


def test_invalid_contexts_and_environments_without_contexts_are_refused() -> None:
    with pytest.raises(ContextError, match=r"c_y=3.* \(row 1 of 2\) is out of bounds"):
        CycleContexts(SimpleDirection(), [[0, 0], [0, 3]])
    for wrap in (AppendContext, lambda env: CycleContexts(env, CONTEXTS), lambda env: RandomContexts(env, CONTEXTS, seed=0)):
        with pytest.raises(EnvError, match=r"CartPoleEnv is not an offctx.envs.ContextualEnv"):
            wrap(gymnasium.make("CartPole-v1"))
