"""SimpleDirection against numbers written out by hand from s' = s + a + c, r = s' . c."""

import numpy as np
import pytest

from offctx.envs import SimpleDirection, SimpleDirectionStochastic

# Row 0: s = (0.5, -1), a = (0.25, 0.5), c = (0.5, -0.25): s' = (1.25, -0.75), r = 1.25 * 0.5 + 0.75 * 0.25 = 0.8125.
# Row 1: s = (1, 2), a = (-1, 1), c = (0, 0): s' = (0, 3), r = 0.
STATES = np.array([[0.5, -1.0], [1.0, 2.0]])
ACTIONS = np.array([[0.25, 0.5], [-1.0, 1.0]], dtype=np.float32)
CONTEXTS = np.array([[0.5, -0.25], [0.0, 0.0]])
NEXT = np.array([[1.25, -0.75], [0.0, 3.0]])
REWARDS = np.array([0.8125, 0.0])


def test_transition_and_reward() -> None:
    next_states, rewards, terminations = SimpleDirection().simulate(STATES, ACTIONS, CONTEXTS)
    assert np.array_equal(next_states, NEXT)
    assert np.array_equal(rewards, REWARDS)
    assert terminations.dtype == bool and not terminations.any()


def test_derivatives() -> None:
    """d s' / dc = I, and d r / dc = s' (d_c R) + c (d_s' R d_c f) = (1.75, -1) and (0, 3)."""
    dnext, dreward = SimpleDirection().derivatives(STATES, ACTIONS, CONTEXTS)
    assert np.array_equal(dnext, np.broadcast_to(np.eye(2), (2, 2, 2)))
    assert np.array_equal(dreward, [[1.75, -1.0], [0.0, 3.0]])


def test_noise_moves_the_outcome_and_stays_fixed_in_the_derivative() -> None:
    """With noise z: s' gains 0.1 z[:2] = (0.1, -0.2), r = s' . c + 0.1 z[2], and d r / dc gains 0.1 z[:2]."""
    env = SimpleDirectionStochastic()
    noise = np.array([[1.0, -2.0, 3.0], [0.0, 0.0, 0.0]])
    next_states, rewards, _ = env.simulate(STATES, ACTIONS, CONTEXTS, noise)
    np.testing.assert_allclose(next_states, [[1.35, -0.95], [0.0, 3.0]], rtol=0, atol=1e-15)
    np.testing.assert_allclose(rewards, [1.35 * 0.5 + 0.95 * 0.25 + 0.3, 0.0], rtol=0, atol=1e-15)
    dnext, dreward = env.derivatives(STATES, ACTIONS, CONTEXTS, noise)
    assert np.array_equal(dnext, np.broadcast_to(np.eye(2), (2, 2, 2)))
    np.testing.assert_allclose(dreward, [[1.85, -1.2], [0.0, 3.0]], rtol=0, atol=1e-15)


def test_noise_has_the_scale_of_the_paper() -> None:
    env = SimpleDirectionStochastic()
    rows = 20_000
    noise = env.draw_noise(np.random.default_rng(0), rows)
    zeros = np.zeros((rows, 2))
    next_states, rewards, _ = env.simulate(zeros, zeros, zeros, noise)
    assert next_states.std(axis=0) == pytest.approx([0.1, 0.1], rel=0.03)
    assert rewards.std() == pytest.approx(0.1, rel=0.03)  # at c = 0 the reward is its noise
    assert np.corrcoef(np.column_stack([next_states, rewards]).T)[np.triu_indices(3, 1)] == pytest.approx(0, abs=0.03)


def test_ten_thousand_derivatives_against_central_differences() -> None:
    rng = np.random.default_rng(0)
    states, actions, contexts = (rng.uniform(-scale, scale, (10_000, 2)) for scale in (5, 1, 1))
    noise = rng.standard_normal((10_000, 3))
    h = 1e-4
    for env, extra in ((SimpleDirection(), ()), (SimpleDirectionStochastic(), (noise,))):
        dnext, dreward = env.derivatives(states, actions, contexts, *extra)
        for k in range(2):
            step = h * np.eye(2)[k]
            (up, r_up, _), (down, r_down, _) = (env.simulate(states, actions, contexts + d, *extra) for d in (step, -step))
            np.testing.assert_allclose(dnext[:, :, k], (up - down) / (2 * h), rtol=1e-6, atol=1e-6)
            np.testing.assert_allclose(dreward[:, k], (r_up - r_down) / (2 * h), rtol=1e-6, atol=1e-6)


def test_space_and_start() -> None:
    env = SimpleDirection()
    assert env.context_space.names == ("c_x", "c_y")
    assert np.array_equal(env.context_space.default, [0, 0])
    assert np.array_equal([env.context_space.low, env.context_space.high], [[-1, -1], [1, 1]])
    starts = np.stack([env.start(np.random.default_rng(seed), env.context) for seed in range(2000)])
    assert np.abs(starts).max() <= 1
    assert starts.std(axis=0) == pytest.approx([1 / np.sqrt(3)] * 2, rel=0.05)  # of U(-1, 1)
