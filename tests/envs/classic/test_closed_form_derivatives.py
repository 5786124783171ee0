"""Autodiff against central differences: 1e-6 relative, entry by entry, on 10,000 random transitions of each environment.

Relative means to the entry itself, however small: a norm over a row, or max(1, |derivative|), would let a wrong small entry
hide behind a large one. Only what differences cannot tell is allowed on top: the rounding of the outcomes, divided by the
step. Relative to the norm of its row (the outcomes of one transition, along one coordinate) the same holds with nothing
allowed.

How far the differences may step differs from row to row (next to |tau| = m g l the third derivative of asin has no bound), so
a ladder of steps is tried, and each entry is taken from the rung that leaves the least doubt: its difference from the rung
above, and its rounding.

Dimensions: N transitions, o observation, p context.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
import torch

from offctx.envs import CartGoal, DifferentiableEnv, PendulumGoal, SimpleDirection, SimpleDirectionStochastic

N = 10_000
RELATIVE = 1e-6
LADDER = (1e-2, 2e-3, 4e-4, 8e-5, 1.6e-5, 3.2e-6)  # of a coordinate's half-width
ROUNDINGS = 64  # units in the last place that an outcome may be off; each is some twenty operations

# Half the width of the box that states are drawn from: what an episode visits, and beyond.
STATES = {
    SimpleDirection: (5.0, 5.0),
    SimpleDirectionStochastic: (5.0, 5.0),
    PendulumGoal: (2 * np.pi, 8.0),
    CartGoal: (2.4, 3.0, np.radians(12), 3.0),
}


@dataclass(frozen=True)
class Rows:
    """Random transitions: states, actions, contexts over the whole bounds, noise."""

    states: np.ndarray
    actions: np.ndarray
    contexts: np.ndarray
    noise: np.ndarray


def draw(env: DifferentiableEnv, seed: int = 0) -> Rows:
    rng = np.random.default_rng(seed)
    env.action_space.seed(seed)
    actions = np.stack([env.action_space.sample() for _ in range(N)])
    half = np.asarray(STATES[type(env)])
    return Rows(rng.uniform(-half, half, (N, len(half))), actions, env.context_space.sample(rng, N), env.draw_noise(rng, N))


def outcome(env: DifferentiableEnv, rows: Rows, contexts: np.ndarray) -> np.ndarray:
    """Next observations, in float64 and not in the float32 of their space, and rewards: (N, o + 1)."""
    next_states, rewards, _ = env.simulate(rows.states, rows.actions, contexts, rows.noise)
    return np.concatenate([env.observe(torch.from_numpy(next_states)).numpy(), rewards[:, None]], axis=1)


def differences(at: Callable[[np.ndarray], np.ndarray], contexts: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, ...]:
    """Central differences along `direction` (p,) and the rounding in them, per unit of step: (N, o + 1) each."""
    found = []
    for rung in LADDER:
        with np.errstate(invalid="ignore"):
            up, down = at(contexts + rung * direction), at(contexts - rung * direction)
            far_up, far_down = at(contexts + 2 * rung * direction), at(contexts - 2 * rung * direction)
        # Five points: the error is of fourth order, so that steps may be large enough for rounding to vanish.
        found.append((8 * (up - down) - (far_up - far_down)) / (12 * rung))
    estimates = np.stack(found)
    scale = np.abs(at(contexts)).max(axis=0)  # of each column: what cancels inside an outcome may be as large
    rounding = ROUNDINGS * np.finfo(np.float64).eps * np.multiply.outer(1 / np.asarray(LADDER[1:]), 1 + scale)[:, None]
    doubt = np.abs(np.diff(estimates, axis=0)) + rounding
    best = np.where(np.isfinite(doubt), doubt, np.inf).argmin(axis=0)[None]
    picked = (np.take_along_axis(array, best, axis=0)[0] for array in (estimates[1:], np.broadcast_to(rounding, doubt.shape)))
    return tuple(picked)


def worst(env: DifferentiableEnv, rows: Rows) -> np.ndarray:
    """The largest error along each coordinate (2, p): relative to its entry, less rounding; relative to its row, as it is."""
    space = env.context_space
    dnext, dreward = env.derivatives(rows.states, rows.actions, rows.contexts, rows.noise)
    assert dnext.dtype == dreward.dtype == np.float64
    given = np.concatenate([dnext, dreward[:, None]], axis=1)
    found = np.empty((2, space.size))
    tiny = np.finfo(np.float64).tiny
    for k, half_width in enumerate(space.half_widths()):
        expected, rounding = differences(partial(outcome, env, rows), rows.contexts, half_width * np.eye(space.size)[k])
        assert np.isfinite(expected).all()
        error = np.abs(half_width * given[..., k] - expected)
        found[0, k] = (np.maximum(error - rounding, 0) / np.maximum(np.abs(expected), tiny)).max()
        found[1, k] = (np.linalg.norm(error, axis=1) / np.maximum(np.linalg.norm(expected, axis=1), tiny)).max()
    return found


@pytest.mark.parametrize("family", STATES)
def test_ten_thousand_derivatives_agree_with_central_differences(family: type[DifferentiableEnv]) -> None:
    env = family()
    found = worst(env, draw(env))
    assert (found <= RELATIVE).all(), dict(zip(env.context_space.names, found.T.tolist(), strict=True))


class Wrong(CartGoal):
    """One entry of one derivative, d theta_dot' / d l, is off by three millionths."""

    def derivatives(self, states, actions, contexts, noise=None):
        dnext, dreward = super().derivatives(states, actions, contexts, noise)
        dnext = dnext.copy()
        dnext[4321, 3, 3] *= 1 + 3e-6
        return dnext, dreward


def test_an_entry_that_is_off_by_three_millionths_is_seen() -> None:
    right = draw(CartGoal())
    found = worst(Wrong(), right)
    assert found[0, 3] == pytest.approx(3e-6, rel=0.1)
    assert RELATIVE < found[1, 3] < 3e-6, "its row has another entry, which is right"
    assert (np.delete(found, 3, axis=1) <= RELATIVE).all()
