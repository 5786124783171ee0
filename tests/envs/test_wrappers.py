"""The wrappers for tools that know nothing of contexts."""

import gymnasium
import numpy as np
import pytest

from offctx.envs import AppendContext, CycleContexts, SimpleDirection
from offctx.errors import ContextError, EnvError

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


def test_invalid_contexts_and_environments_without_contexts_are_refused() -> None:
    with pytest.raises(ContextError, match=r"c_y=3.* \(row 1 of 2\) is out of bounds"):
        CycleContexts(SimpleDirection(), [[0, 0], [0, 3]])
    for wrap in (AppendContext, lambda env: CycleContexts(env, CONTEXTS)):
        with pytest.raises(EnvError, match=r"CartPoleEnv is not an offctx.envs.ContextualEnv"):
            wrap(gymnasium.make("CartPole-v1"))
