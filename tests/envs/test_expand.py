"""Directional derivatives of environments against central differences."""

from typing import Any

import numpy as np
import pytest
from gymnasium.spaces import Box

from offctx.envs import ContextualEnv, PendulumGoal, SimpleDirectionStochastic
from offctx.envs.resolve import resolve
from offctx.errors import DerivativeError


class Doubly(PendulumGoal):
    """PendulumGoal that shows its observations in float64, and whose `expand` is the one that every environment gets."""

    observation_space = Box(-np.inf, np.inf, (3,), np.float64)
    expand = ContextualEnv.expand


def directions(n: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(0)
    contexts = rng.uniform([1, 0.7, 0.7, -0.3], [4, 1.5, 1.5, 0.3], (n, 4))
    states, actions = rng.uniform([-np.pi, -3], [np.pi, 3], (n, 2)), rng.uniform(-1.9, 1.9, (n, 1))
    return states, actions, contexts, *(rng.uniform(-0.1, 0.1, (n, k)) for k in (2, 1, 4))


def test_expand_against_central_differences() -> None:
    """Each way of changing alone, and all together; automatic differentiation against plain differences written here."""
    *point, ds, da, dc = directions(2000)
    env, h = Doubly(), 1e-5
    for way in ((ds, None, None), (None, da, None), (None, None, dc), (ds, da, dc)):
        plus, minus = (
            env.simulate(*(x if dx is None else x + sign * h * dx for x, dx in zip(point, way, strict=True)))
            for sign in (1, -1)
        )
        dnext = (env.observations(plus[0]) - env.observations(minus[0])) / (2 * h)
        dreward = (plus[1] - minus[1]) / (2 * h)
        for found in (PendulumGoal().expand(*point, *way), env.expand(*point, *way)):
            for got, expected in zip(found, (dnext, dreward), strict=True):
                assert np.linalg.norm(got - expected) <= 1e-6 * np.linalg.norm(expected)
    total = PendulumGoal().expand(*point, None, None, dc)
    parts = PendulumGoal().derivatives(*point)
    np.testing.assert_allclose(total[0], np.einsum("nop,np->no", parts[0], dc), atol=1e-12)
    np.testing.assert_allclose(total[1], (parts[1] * dc).sum(axis=1), atol=1e-12)


def test_expand_at_a_bound_of_the_actions_is_not_halved_by_clipping() -> None:
    class Clipping(Doubly):
        def simulate(self, states, actions, contexts, noise=None):
            return super().simulate(states, np.clip(actions, -2, 2), contexts, noise)

    states, _, contexts, *_ = directions(100)
    actions = np.where(np.arange(100)[:, None] % 2, 2.0, -2.0)
    found = Clipping().expand(states, actions, contexts, None, -0.1 * actions, None)
    exact = PendulumGoal().expand(states, actions, contexts, None, -0.1 * actions, None)
    for got, expected in zip(found, exact, strict=True):
        assert np.linalg.norm(got - expected) <= 1e-6 * np.linalg.norm(expected)


def test_expand_holds_the_noise_and_refuses_what_has_no_derivative(chooser: Any) -> None:
    rng, env = np.random.default_rng(0), SimpleDirectionStochastic()
    states, actions, contexts, dc, noise = (rng.uniform(-1, 1, (50, k)) for k in (2, 2, 2, 2, 3))
    dnext, dreward = env.expand(states, actions, contexts, None, None, dc, noise)
    after = states + actions + contexts + 0.1 * noise[:, :2]
    np.testing.assert_allclose(dnext, dc, atol=1e-12)
    np.testing.assert_allclose(dreward, ((after + contexts) * dc).sum(axis=1), atol=1e-12)
    float32 = ContextualEnv.expand(env, states, actions, contexts, None, None, dc, noise)
    np.testing.assert_allclose(float32[0], dc, atol=1e-4)
    with pytest.raises(DerivativeError, match="there is no derivative along Discrete actions"):
        resolve("testing/Chooser-v0").env.expand(states, np.zeros(50, int), contexts[:, :1], None, actions[:, :1], None)
    with pytest.raises(DerivativeError, match=r"PendulumGoal: the derivative is not finite in row 1, in context \(g=0"):
        contexts4 = np.array([[2.0, 1, 1, 0], [0, 1, 1, 0]])
        PendulumGoal().expand(states[:2], actions[:2, :1], contexts4, None, None, np.full((2, 4), 0.1))
