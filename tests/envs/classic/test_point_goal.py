"""PointGoal against an independent loop in NumPy, and what its goal means to a controller that does not know it."""

import numpy as np
import pytest

import offctx
from offctx.envs import PointGoal, RotatedThrusters


def test_steps_equal_an_independent_loop() -> None:
    rng, env = np.random.default_rng(0), PointGoal()
    contexts = env.context_space.sample(rng, 50)
    states, actions = rng.normal(size=(50, 4)), rng.uniform(-1, 1, (50, 2))
    next_states, rewards, terminations = env.simulate(states, actions, contexts)
    for k in range(50):
        velocity = states[k, 2:] + 0.1 * (actions[k] - 0.2 * states[k, 2:])
        position = states[k, :2] + 0.1 * velocity
        np.testing.assert_allclose(next_states[k], [*position, *velocity], rtol=1e-12)
        offset = position - contexts[k]
        assert rewards[k] == pytest.approx(-(offset @ offset) - 0.1 * velocity @ velocity)
    assert not terminations.any()


def test_the_derivatives_by_hand() -> None:
    """d s' / d goal = 0, d r / d goal = 2 (p' - goal)."""
    rng, env = np.random.default_rng(0), PointGoal()
    rows = rng.normal(size=(20, 4)), rng.uniform(-1, 1, (20, 2)), env.context_space.sample(rng, 20)
    dnext, dreward = env.derivatives(*rows)
    assert not dnext.any()
    np.testing.assert_allclose(dreward, 2 * (env.simulate(*rows)[0][:, :2] - rows[2]), rtol=1e-12)


def test_at_the_default_it_is_rotated_thrusters() -> None:
    rng, goal, rotated = np.random.default_rng(0), PointGoal(), RotatedThrusters()
    rows = rng.normal(size=(20, 4)), rng.uniform(-1, 1, (20, 2))
    ours, theirs = (env.simulate(*rows, np.tile(env.context_space.default, (20, 1))) for env in (goal, rotated))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_the_goal_must_be_known() -> None:
    """A linear controller told the goal flies there; flying to the middle costs many times as much."""

    def controller(told: bool):  # type: ignore[no-untyped-def]
        def act(observations: np.ndarray, contexts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
            offsets = observations[:, :2] - told * contexts
            return np.clip(-2 * offsets - 2 * observations[:, 2:], -1, 1)

        return act

    contexts = PointGoal.context_space.sweep("goal_x", [-1.0, 1.0])
    told, blind = (
        offctx.evaluate(controller(told), "offctx/PointGoal-v0", contexts, episodes=16, seed=0, progress=False)
        for told in (True, False)
    )
    assert blind.aer("test") < 3 * told.aer("test") < 0
