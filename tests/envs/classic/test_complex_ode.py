"""ComplexODE against Python's complex numbers."""

from typing import Any

import gymnasium
import numpy as np
import pytest

import offctx
from offctx.envs import ComplexODE
from offctx.envs.testing import check_contextual_env
from offctx.errors import EnvError

ID = "offctx/ComplexODE-v0"


def step(x: float, action: complex, coefficients: np.ndarray) -> tuple[float, float]:
    """The next number and its reward."""
    change = sum(float(c) * action ** (power + 1) for power, c in enumerate(coefficients))
    x = min(20.0, max(-20.0, x + 0.01 * complex(change).real))
    thresholds = [(0.05, 1), (0.1, 1 / 2), (0.2, 1 / 3), (0.5, 1 / 4), (2, 0.05)]
    return x, next((reward for below, reward in thresholds if abs(x) < below), 0.0)


@pytest.mark.parametrize("k", [1, 2, 4])
def test_episodes_agree_with_complex_arithmetic(k: int) -> None:
    env = gymnasium.make(ID, k=k)
    space: Any = env.unwrapped.context_space
    assert space.names == tuple(f"c{power}" for power in range(k))
    rng, rewards = np.random.default_rng(0), set()
    for context in [*space.splits["train"][::4], *space.splits["eval-out"][::3]]:
        observation, info = env.reset(seed=int(rng.integers(1000)), options={"context": context})
        x = float(info["state"][0])
        assert abs(x) <= 1 and observation.shape == (1,)
        for t in range(200):
            action = rng.uniform(-1, 1, 2).astype(np.float32)
            x, expected = step(x, complex(*action.tolist()), context)
            _, reward, terminated, truncated, info = env.step(action)
            assert info["state"][0] == pytest.approx(x, abs=1e-12) and not terminated and truncated == (t == 199)
            assert reward == pytest.approx(expected, rel=1e-15) or abs(abs(x) - round(abs(x), 2)) < 1e-9
            rewards.add(round(reward, 3))
    assert len(rewards) >= 5


def test_the_number_stays_within_20() -> None:
    env: Any = gymnasium.make(ID).unwrapped
    states, actions = np.array([[19.95], [-19.95]]), np.array([[1.0, 0], [1.0, 0]])
    contexts = np.array([[10.0, 10], [-10, -10]])
    next_states, rewards, _ = env.simulate(states, actions, contexts)
    assert next_states.tolist() == [[20], [-20]] and not rewards.any()
    assert not env.derivatives(states, actions, contexts)[0].any()


def test_derivatives_are_the_real_parts_of_the_powers() -> None:
    env: Any = gymnasium.make(ID, k=3).unwrapped
    action = 0.6 - 0.8j
    dnext, dreward = env.derivatives(np.array([[0.3]]), np.array([[0.6, -0.8]]), np.array([[1.0, -2, 3]]))
    np.testing.assert_allclose(dnext[0, 0], [0.01 * (action**power).real for power in (1, 2, 3)], rtol=1e-12)
    assert not dreward.any()


def test_contexts_and_splits() -> None:
    space: Any = gymnasium.make(ID).unwrapped.context_space
    assert (space.low.tolist(), space.high.tolist(), space.default.tolist()) == ([-10, -10], [10, 10], [0, 0])
    expected = offctx.aib_splits(space, {"c0": (-5, 5), "c1": (-5, 5)})
    assert {name: rows.tolist() for name, rows in space.splits.items()} == {n: rows.tolist() for n, rows in expected.items()}


def test_more_coefficients_keep_the_contract() -> None:
    check_contextual_env(lambda: gymnasium.make(ID, k=4), transitions=128)


@pytest.mark.parametrize("k", [0, -1, 1.5, "2", True])
def test_a_number_of_coefficients_that_means_nothing_is_refused(k: Any) -> None:
    with pytest.raises(EnvError, match="k must be a whole number, at least 1"):
        gymnasium.make(ID, k=k)


def test_the_class_has_the_space_of_the_default_k():
    assert ComplexODE.context_space.to_dict() == ComplexODE().context_space.to_dict()
    assert ComplexODE(k=4).context_space.size == 4 and ComplexODE.context_space.size == 2
