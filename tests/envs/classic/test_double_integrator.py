"""The double integrators against a plain loop over the equations of arXiv 2602.06550."""

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

import offctx
from offctx.errors import ContextError

IDS = ["offctx/DoubleIntegrator-v0", "offctx/DoubleIntegratorFriction-v0", "offctx/DoubleIntegratorPermuted-v0"]


def clip(number: float) -> float:
    return min(1.0, max(-1.0, number))


def force(env_id: str, action: np.ndarray, velocity: list[float], second: float) -> list[float]:
    """The force [N] of an action, where `second` is the second coordinate of the context."""
    x, y = (float(number) for number in action)
    if env_id == IDS[0]:
        return [clip(second * x), clip(second * y)]
    if env_id == IDS[1]:
        return [x - second * velocity[0], y - second * velocity[1]]
    return [y, x] if second == 1 else [x, y]


def by_hand(env_id: str, state: np.ndarray, actions: np.ndarray, mass: float, second: float) -> tuple[np.ndarray, np.ndarray]:
    """States (T + 1, 4) and rewards (T,) of explicit Euler steps of 0.1 s."""
    position, velocity = state[:2].tolist(), state[2:].tolist()
    states, rewards = [[*position, *velocity]], []
    for action in actions:
        pushes = force(env_id, action, velocity, second)
        position, velocity = (
            [clip(p + 0.1 * v) for p, v in zip(position, velocity, strict=True)],
            [clip(v + 0.1 * push / mass) for v, push in zip(velocity, pushes, strict=True)],
        )
        states.append([*position, *velocity])
        rewards.append(1.0 if (position[0] ** 2 + position[1] ** 2) ** 0.5 < 0.1 else 0.0)
    return np.array(states), np.array(rewards)


@pytest.mark.parametrize("env_id", IDS)
def test_episodes_agree_with_the_equations(env_id: str) -> None:
    env = gymnasium.make(env_id)
    space = env.unwrapped.context_space
    rng, earned = np.random.default_rng(0), 0.0
    for context in [*space.splits["train"][:4], *space.splits["eval-out"][:8], *space.splits["eval-out"][-4:]]:
        _, info = env.reset(seed=int(rng.integers(1000)), options={"context": context})
        actions = np.repeat(rng.uniform(-1, 1, (10, 2)), 10, axis=0).astype(np.float32)
        actions[:10] = -np.sign(info["state"][:2])  # towards the goal, where nothing is inverted
        states, rewards = by_hand(env_id, info["state"], actions, *context)
        for t, action in enumerate(actions):
            _, reward, terminated, truncated, info = env.step(action)
            np.testing.assert_allclose(info["state"], states[t + 1], atol=1e-12)
            assert reward == rewards[t] and not terminated and truncated == (t == 99)
        earned += rewards.sum()
    assert earned > 0, "an episode should cross the goal"


@pytest.mark.parametrize("env_id", IDS)
def test_starts_are_at_rest_in_all_four_corners(env_id: str) -> None:
    env = gymnasium.make(env_id)
    states = np.stack([env.reset(seed=seed)[1]["state"] for seed in range(200)])
    size = np.abs(states[:, :2])
    assert size.min() >= 0.8 and size.max() <= 1 and size.min() < 0.82 and size.max() > 0.98
    assert not states[:, 2:].any()
    _, counts = np.unique(np.sign(states[:, :2]), axis=0, return_counts=True)
    assert len(counts) == 4 and counts.min() > 30


@pytest.mark.parametrize(
    ("env_id", "second", "training", "values"),
    [(IDS[0], "action_factor", None, [-1, 1]), (IDS[1], "friction", (0.5, 1.5), None), (IDS[2], "permutation", None, [0, 1])],
)
def test_contexts_and_splits(env_id: str, second: str, training: Any, values: Any) -> None:
    space = gymnasium.make(env_id).unwrapped.context_space
    assert space.names == ("mass", second)
    assert (space.low[0], space.high[0], space.default[0]) == (0.1, 2, 1)
    ranges = {"mass": (0.5, 1.5)} | ({second: training} if training else {})
    expected = offctx.aib_splits(space, ranges)
    assert {name: rows.tolist() for name, rows in space.splits.items()} == {n: rows.tolist() for n, rows in expected.items()}
    assert space.default[1] == (0 if second == "permutation" else 1)
    if values:
        assert space.values(second).tolist() == values
    with pytest.raises(ContextError):
        space.check({"mass": 0.0}, extrapolate=True)


@pytest.mark.parametrize(("env_id", "discrete"), [(IDS[0], True), (IDS[1], False), (IDS[2], True)])
def test_derivatives_are_those_of_the_equations(env_id: str, discrete: bool) -> None:
    env: Any = gymnasium.make(env_id).unwrapped
    state, action, context = np.array([[0.3, -0.2, 0.5, -0.4]]), np.array([[0.6, -0.8]]), np.array([[0.5, 1.0]])
    dnext, dreward = env.derivatives(state, action, context)
    pushes = np.array([0.6, -0.8]) if env_id == IDS[0] else [0.1, -0.4] if env_id == IDS[1] else [-0.8, 0.6]
    expected = np.zeros((4, 2))
    expected[2:, 0] = -0.1 * np.asarray(pushes) / 0.25
    if not discrete:
        expected[2:, 1] = -0.1 * np.array([0.5, -0.4]) / 0.5
    np.testing.assert_allclose(dnext[0], expected, atol=1e-14)
    assert not dreward.any()
    clipped = env.derivatives(np.array([[0.0, 0, 0.99, -0.99]]), np.array([[1.0, -1]]), np.array([[0.1, 1.0]]))[0]
    if env_id == IDS[0]:
        assert not clipped.any()


def test_a_dataset_keeps_the_listed_values_and_exact_cse_keeps_each_factor(datasets_path: Path) -> None:
    space = offctx.envs.DoubleIntegrator.context_space
    collected = offctx.collect(IDS[0], "test/inverted-v0", contexts=space.splits["train"][:4], seed=0, progress=False)
    dataset = offctx.load_dataset("test/inverted-v0")
    assert dataset.context_space == space and dataset.context_space.values("action_factor").tolist() == [-1, 1]
    assert set(dataset.contexts[:, 1]) == {-1, 1} and not dataset.dnext_observation_dcontext[..., 1].any()
    buffer = collected.replay_buffer(augmentation=offctx.CSE([0.3, 0.0], exact=IDS[0]), seed=0)
    batch: Any = buffer.sample_transition_batch(256)
    mass, factor = batch.contexts.T
    assert set(factor.tolist()) == {-1, 1} and len(np.unique(mass)) > 200
    velocities = batch.observations[:, 2:4] + 0.1 * factor[:, None] * batch.actions / mass[:, None]
    np.testing.assert_allclose(batch.next_observations[:, 2:4], np.clip(velocities, -1, 1), atol=1e-6)
