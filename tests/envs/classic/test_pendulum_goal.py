"""PendulumGoal against numbers written out by hand from its equations."""

import numpy as np
import pytest

from offctx.envs import PendulumGoal
from offctx.errors import ContextError

PI = np.pi


def one(theta: float, theta_dot: float, u: float, context: tuple[float, float, float, float]):
    rows = np.array([[theta, theta_dot]]), np.array([[u]]), np.array([context], dtype=np.float64)
    next_states, rewards, _ = PendulumGoal().simulate(*rows)
    dnext, dreward = PendulumGoal().derivatives(*rows)
    return next_states[0], rewards[0], dnext[0], dreward[0]


def test_a_step_from_the_horizontal() -> None:
    """theta = pi/2, theta_dot = 0.5, u = 1, (g, m, l, tau) = (2, 1, 1, 0).

    theta'' = 3 * 2 / 2 * 1 + 3 * 1 = 6; theta_dot' = 0.5 + 0.05 * 6 = 0.8; theta' = pi/2 + 0.05 * 0.8 = pi/2 + 0.04.
    goal = 0; sin^2(theta'/2) = (1 - cos(pi/2 + 0.04)) / 2 = (1 + sin 0.04) / 2;
    r = -(pi^2 (1 + sin 0.04) / 2 + 0.1 * 0.64 + 0.001).
    """
    (theta, theta_dot), reward, _, _ = one(PI / 2, 0.5, 1.0, (2, 1, 1, 0))
    assert theta_dot == pytest.approx(0.8, abs=1e-15)
    assert theta == pytest.approx(PI / 2 + 0.04, abs=1e-15)
    assert reward == pytest.approx(-(PI**2 * (1 + np.sin(0.04)) / 2 + 0.064 + 0.001), abs=1e-14)


def test_a_step_with_every_coordinate_off_its_base() -> None:
    """theta = pi/6, theta_dot = -1, u = -2, (g, m, l, tau) = (4, 2, 0.5, -2).

    theta'' = 3 * 4 / (2 * 0.5) * 0.5 + 3 * -2 / (2 * 0.25) = 6 - 12 = -6; theta_dot' = -1.3; theta' = pi/6 - 0.065.
    goal = asin(2 / (2 * 4 * 0.5)) = asin(1/2) = pi/6; sin^2((theta' - goal) / 2) = sin^2(0.0325);
    r = -(pi^2 sin^2(0.0325) + 0.169 + 0.004).
    """
    (theta, theta_dot), reward, _, _ = one(PI / 6, -1.0, -2.0, (4, 2, 0.5, -2))
    assert theta_dot == pytest.approx(-1.3, abs=1e-15)
    assert theta == pytest.approx(PI / 6 - 0.065, abs=1e-15)
    assert reward == pytest.approx(-(PI**2 * np.sin(0.0325) ** 2 + 0.173), abs=1e-14)


def test_derivatives_by_hand() -> None:
    """theta = pi/2, theta_dot = 0, u = 1, c = (2, 1, 1, 0); w = theta_dot' = 0.05 * (1.5 g/l sin theta + 3 u/(m l^2)) = 0.3.

    d w / dg = 0.05 * 1.5 = 0.075; d w / dm = 0.05 * -3 = -0.15; d w / dl = 0.05 * (-1.5 * 2 - 6) = -0.45; d w / dtau = 0.
    d theta' = 0.05 d w; observation (cos, sin, theta_dot): d = (-sin theta' d theta', cos theta' d theta', d w).
    r = -(pi^2 (1 - cos(theta' - goal)) / 2 + 0.1 w^2 + ...),
    so d r = -(pi^2 / 2 sin(theta' - goal) (d theta' - d goal) + 0.2 w d w),
    goal = asin(-tau / (m g l)) = 0 with d goal = -d tau / (m g l) = -d tau / 2.
    """
    _, _, dnext, dreward = one(PI / 2, 0.0, 1.0, (2, 1, 1, 0))
    dw = np.array([0.075, -0.15, -0.45, 0.0])
    dtheta, theta = 0.05 * dw, PI / 2 + 0.05 * 0.3
    np.testing.assert_allclose(dnext, [-np.sin(theta) * dtheta, np.cos(theta) * dtheta, dw], rtol=1e-13, atol=1e-16)
    dgoal = np.array([0, 0, 0, -0.5])
    by_hand = -(PI**2 / 2 * np.sin(theta) * (dtheta - dgoal) + 0.2 * 0.3 * dw)
    np.testing.assert_allclose(dreward, by_hand, rtol=1e-12)


def test_derivatives_stay_finite_where_the_angle_is_zero_or_a_right_angle() -> None:
    """A public implementation divides by sin and cos there."""
    thetas = np.array([0.0, PI / 2, PI, -PI / 2])
    rows = np.stack([thetas, np.zeros(4)], axis=1), np.zeros((4, 1)), np.tile([2.0, 1, 1, 0], (4, 1))
    dnext, dreward = PendulumGoal().derivatives(*rows)
    assert np.isfinite(dnext).all() and np.isfinite(dreward).all()


def test_ten_thousand_derivatives_against_central_differences() -> None:
    env, rng, n = PendulumGoal(), np.random.default_rng(0), 10_000
    contexts = env.context_space.sample(rng, n)
    # Next to |tau| = m g l the third derivative of asin grows without bound, and differences lose their digits.
    contexts[:, 3] = np.clip(contexts[:, 3], *(s * 0.95 * contexts[:, :3].prod(axis=1) for s in (-1, 1)))
    states = rng.uniform([-PI, -8], [PI, 8], (n, 2))
    actions = rng.uniform(-2, 2, (n, 1))
    dnext, dreward = env.derivatives(states, actions, contexts)

    def outcome(step: np.ndarray) -> np.ndarray:
        (theta, theta_dot), rewards = (r := env.simulate(states, actions, contexts + step))[0].T, r[1]
        return np.stack([np.cos(theta), np.sin(theta), theta_dot, rewards], axis=1)

    for k in range(4):
        # Five points: the error is of fourth order, so that a step may be large enough for round-off to vanish.
        h = 2e-4 * np.eye(4)[k]
        differences = (8 * (outcome(h) - outcome(-h)) - (outcome(2 * h) - outcome(-2 * h))) / (12 * 2e-4)
        derivative = np.concatenate([dnext[:, :, k], dreward[:, k, None]], axis=1)
        assert np.abs(derivative - differences).max() <= 1e-6 * np.abs(derivative).max(), env.context_space.names[k]
        np.testing.assert_allclose(derivative, differences, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("tau", [1.0, -1.0])
def test_a_torque_that_gravity_cannot_balance_is_refused(tau: float) -> None:
    env = PendulumGoal()
    for context in ((2.0, 1.0, 0.5, tau), (0.5, 0.5, 0.5, tau)):  # m g l = 1, the border itself, and 0.125
        for extrapolate in (False, True):
            with pytest.raises(ContextError, match=r"must satisfy abs\(tau\) < m \* g \* l"):
                env.reset(seed=0, options={"context": context, "extrapolate": extrapolate})
    env.reset(seed=0, options={"context": (2.001, 1.0, 0.5, tau)})


def test_pushed_to_its_goal_with_the_torque_it_balances_it_stays() -> None:
    """At theta = goal, theta_dot = 0 the torque u with 3g/(2l) sin(theta) + 3u/(m l^2) = 0 is u = tau / 2."""
    context = np.array([[2.0, 1.0, 1.5, 0.8]])
    goal = np.arcsin(-0.8 / 3.0)
    next_states, rewards, _ = PendulumGoal().simulate(np.array([[goal, 0.0]]), np.array([[0.4]]), context)
    np.testing.assert_allclose(next_states, [[goal, 0.0]], atol=1e-15)
    assert rewards[0] == pytest.approx(-0.001 * 0.16, abs=1e-15)


def test_observation_and_start() -> None:
    env = PendulumGoal()
    observations = env.observations(np.array([[PI / 3, -2.5]]))
    assert observations.dtype == np.float32
    np.testing.assert_allclose(observations, [[0.5, np.sqrt(3) / 2, -2.5]], rtol=1e-7)
    starts = np.stack([env.start(np.random.default_rng(seed), env.context) for seed in range(2000)])
    assert (np.abs(starts) <= [PI, 1]).all()
    assert starts.std(axis=0) == pytest.approx([PI / np.sqrt(3), 1 / np.sqrt(3)], rel=0.05)


def test_actions_beyond_two_newton_metres_are_clipped() -> None:
    env = PendulumGoal()
    results = []
    for u in (2.0, 5.0):
        env.reset(seed=3)
        observation, reward, *_ = env.step(np.array([u], dtype=np.float32))
        results.append((observation.tobytes(), reward))
    assert results[0] == results[1]
