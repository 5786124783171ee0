"""CartGoal against Gymnasium's CartPole-v1, against numbers written out by hand, and against the contract."""

import gymnasium
import numpy as np
import pytest

from offctx.envs import CartGoal
from offctx.envs.testing import check_contextual_env

GYMNASIUM = (9.8, 0.1, 1.0, 0.5, 0.0)  # its constants: gravity, masspole, masscart, half-length; goal 0


def one(state: tuple[float, float, float, float], action: int, context: tuple[float, ...]):
    return (np.array([state]), np.array([action]), np.array([context], dtype=np.float64))


def test_it_keeps_the_contract_with_other_random_numbers() -> None:
    check_contextual_env(CartGoal, seed=1)


def test_the_facts_of_the_paper() -> None:
    space = CartGoal.context_space
    assert space.names == ("g", "m_pole", "m_cart", "l", "goal")
    assert space.units == ("m/s^2", "kg", "kg", "m", "m")
    assert space.default.tolist() == [10, 0.1, 1, 0.5, 0]
    assert space.low.tolist() == [1, 0.01, 0.25, 0.1, -4]
    assert space.high.tolist() == [12, 2, 2, 2, 4]
    env = gymnasium.make("offctx/CartGoal-v0")
    assert env.spec is not None and env.spec.max_episode_steps == 500
    assert env.action_space == gymnasium.spaces.Discrete(2)


def test_transitions_and_ends_are_those_of_cartpole() -> None:
    rng, n = np.random.default_rng(0), 2000
    states = rng.uniform([-2.45, -3, -0.22, -3], [2.45, 3, 0.22, 3], (n, 4))
    actions = rng.integers(0, 2, n)
    peer = gymnasium.make("CartPole-v1").unwrapped
    expected = np.empty_like(states)
    ends = np.empty(n, dtype=bool)
    for i in range(n):
        peer.reset(seed=0)
        peer.state = states[i]
        _, _, ends[i], _, _ = peer.step(int(actions[i]))
        expected[i] = peer.state
    next_states, _, terminations = CartGoal().simulate(states, actions, np.tile(GYMNASIUM, (n, 1)))
    np.testing.assert_allclose(next_states, expected, rtol=1e-13, atol=1e-15)
    assert (terminations == ends).all()
    assert 0.05 < ends.mean() < 0.95, "both kinds should be among them"


def test_a_whole_episode_is_cartpoles() -> None:
    env, peer = CartGoal(), gymnasium.make("CartPole-v1").unwrapped
    observation, info = env.reset(seed=5, options={"context": GYMNASIUM})
    peer.reset(seed=0)
    peer.state = info["state"]
    rng, steps = np.random.default_rng(1), 0
    terminated = False
    while not terminated:
        action = int(rng.integers(2))
        observation, _, terminated, _, _ = env.step(action)
        expected, _, ended, _, _ = peer.step(action)
        steps += 1
        np.testing.assert_allclose(observation, expected, rtol=1e-6, atol=1e-7)
        assert terminated == ended
    assert 5 < steps < 200


def test_a_step_with_every_coordinate_off_its_base() -> None:
    """theta = pi/6, theta_dot = 2, x = 1, x_dot = -0.5, pushed left; (g, m_pole, m_cart, l, goal) = (6, 1, 2, 0.5, 3).

    push = (-10 + 1 * 0.5 * 4 * 0.5) / 3 = -3; cos^2 = 3/4;
    theta'' = (6 * 0.5 + 3 cos) / (0.5 (4/3 - 3/4 / 3)) = (3 + 3 cos) / (0.5 * 13/12) = (3 + 3 cos) * 24/13;
    x'' = -3 - 0.5 theta'' cos / 3. x' = 1 - 0.01 = 0.99, theta' = pi/6 + 0.04; r = 2 - sqrt(1 + 2.01^2).
    """
    rows = one((1.0, -0.5, np.pi / 6, 2.0), 0, (6, 1, 2, 0.5, 3))
    next_states, rewards, terminations = CartGoal().simulate(*rows)
    cos = np.sqrt(3) / 2
    swing = (3 + 3 * cos) * 24 / 13
    x_dot = -0.5 + 0.02 * (-3 - 0.5 * swing * cos / 3)
    np.testing.assert_allclose(next_states[0], [0.99, x_dot, np.pi / 6 + 0.04, 2 + 0.02 * swing], rtol=1e-14)
    assert rewards[0] == pytest.approx(2 - np.sqrt(1 + 2.01**2), abs=1e-15)
    assert terminations[0], "theta' is beyond 12 degrees"


def test_derivatives_by_hand() -> None:
    """Upright and still at x = 0, x_dot = 1, pushed right, at the base: with M = 1.1, push = 10 / M,

    theta'' = -push / (l (4/3 - m_pole / M)), so that d theta'' / dl = -theta'' / l, d theta'' / dg = 0 as sin(theta) = 0;
    x' = 0.02 depends on nothing, so r = 2 - sqrt(1 + (0.02 - goal)^2) on the goal alone: d r / d goal = 0.02 / sqrt(1.0004).
    """
    dnext, dreward = CartGoal().derivatives(*one((0.0, 1.0, 0.0, 0.0), 1, (10, 0.1, 1, 0.5, 0)))
    swing = -(10 / 1.1) / (0.5 * (4 / 3 - 0.1 / 1.1))
    assert (dnext[0, [0, 2]] == 0).all(), "positions move with the old velocities"
    assert (dnext[0, :, 4] == 0).all(), "the goal moves no state"
    assert dnext[0, 3, 0] == 0
    assert dnext[0, 3, 3] == pytest.approx(0.02 * -swing / 0.5, rel=1e-13)
    np.testing.assert_allclose(dreward[0], [0, 0, 0, 0, 0.02 / np.sqrt(1.0004)], rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize(
    ("state", "ends"),
    [
        ((2.39, 0.4, 0.0, 0.0), False),  # x' = 2.398
        ((2.39, 0.6, 0.0, 0.0), True),  # x' = 2.402
        ((-2.39, -0.6, 0.0, 0.0), True),
        ((0.0, 0.0, np.radians(11.9), np.radians(4.9)), False),  # theta' = 11.998 degrees
        ((0.0, 0.0, np.radians(11.9), np.radians(5.1)), True),  # 12.002 degrees
        ((0.0, 0.0, -np.radians(11.9), -np.radians(5.1)), True),
        ((2.41, -0.6, 0.0, 0.0), False),  # the new state counts: x' = 2.398
    ],
)
def test_it_ends_where_the_new_state_is_beyond_the_edge(state: tuple[float, float, float, float], ends: bool) -> None:
    _, _, terminations = CartGoal().simulate(*one(state, 1, (10, 0.1, 1, 0.5, 0)))
    assert terminations[0] == ends


def test_starts_are_uniform_and_seeded() -> None:
    env = CartGoal()
    starts = np.stack([env.start(np.random.default_rng(seed), env.context) for seed in range(1000)])
    assert starts.shape == (1000, 4) and (np.abs(starts) <= 0.05).all()
    np.testing.assert_allclose(starts.std(axis=0), 0.05 / np.sqrt(3), rtol=0.07)
