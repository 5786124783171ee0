"""Autodiff against central differences: 1e-6 relative, entry by entry, on 10,000 random transitions of each environment.

Every `DifferentiableEnv` of the registry is tested, without a line here.

An error is relative to its own entry, however small: relative to the norm of a row, or to max(1, |derivative|), a wrong small
entry could hide behind a large one. On top, only the rounding of the outcomes divided by the step is allowed, as differences
cannot resolve it. Relative to the norm of its row (the outcomes of one transition, along one coordinate), the error must be
below 1e-6 with nothing allowed on top.

The best step differs from row to row (next to |tau| = m g l the third derivative of asin has no bound). Several steps are
tried, and each entry is taken from the step with the smallest uncertainty: the difference from the next larger step, plus
rounding.

Dimensions: N transitions, o observation, p context.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
import torch

import offctx.envs
from offctx.envs import CartGoal, DifferentiableEnv
from offctx.envs.registry import ENVIRONMENTS
from offctx.envs.resolve import resolve
from offctx.envs.rollout import episode_seeds, play

N = 10_000
RELATIVE = 1e-6
STEPS = (1e-2, 2e-3, 4e-4, 8e-5, 1.6e-5, 3.2e-6)  # of a coordinate's half-width
ROUNDINGS = 64  # units in the last place that an outcome may be off; each is some twenty operations
EPISODES = 64  # played to see which states an episode visits
BEYOND = 2.5  # how far the states of the test go beyond these

CLOSED_FORM = [row.id for row in ENVIRONMENTS if issubclass(getattr(offctx.envs, row.class_name), DifferentiableEnv)]


@dataclass(frozen=True)
class Rows:
    """Random transitions: states, actions, contexts over the whole bounds, noise."""

    states: np.ndarray
    actions: np.ndarray
    contexts: np.ndarray
    noise: np.ndarray


def visited(env_id: str) -> np.ndarray:
    """The largest size of each state coordinate (s,) in random episodes in contexts over the whole bounds."""
    resolved, rng = resolve(env_id), np.random.default_rng(0)
    env = resolved.env
    env.action_space.seed(0)

    def act(observations: np.ndarray, contexts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return np.stack([env.action_space.sample() for _ in observations])

    contexts = env.context_space.sample(rng, EPISODES)
    steps = play(resolved, contexts, episode_seeds(0, EPISODES), [act], np.zeros(EPISODES, int), rng)
    return np.concatenate([np.abs(step.next_states) for step in steps]).max(axis=0)


def draw(env: DifferentiableEnv, largest: np.ndarray, seed: int = 0) -> Rows:
    """Random transitions with states in the box of this size (s,) around 0."""
    rng = np.random.default_rng(seed)
    env.action_space.seed(seed)
    actions = np.stack([env.action_space.sample() for _ in range(N)])
    states = rng.uniform(-largest, largest, (N, len(largest)))
    return Rows(states, actions, env.context_space.sample(rng, N), env.draw_noise(rng, N))


def outcome(env: DifferentiableEnv, rows: Rows, contexts: np.ndarray) -> np.ndarray:
    """Next observations, in float64 and not in the float32 of their space, and rewards: (N, o + 1)."""
    next_states, rewards, _ = env.simulate(rows.states, rows.actions, contexts, rows.noise)
    return np.concatenate([env.observe(torch.from_numpy(next_states)).numpy(), rewards[:, None]], axis=1)


def differences(
    outcome_in: Callable[[np.ndarray], np.ndarray], contexts: np.ndarray, direction: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Central differences along `direction` (p,) and the rounding in them, per unit of step: (N, o + 1) each."""
    by_step = []
    for step in STEPS:
        with np.errstate(invalid="ignore"):
            up, down = outcome_in(contexts + step * direction), outcome_in(contexts - step * direction)
            far_up, far_down = outcome_in(contexts + 2 * step * direction), outcome_in(contexts - 2 * step * direction)
        # Five points: the error is of fourth order, so that steps may be large enough for rounding to vanish.
        by_step.append((8 * (up - down) - (far_up - far_down)) / (12 * step))
    estimates = np.stack(by_step)
    scale = np.abs(outcome_in(contexts)).max(axis=0)  # of each column: what cancels inside an outcome may be as large
    rounding = ROUNDINGS * np.finfo(np.float64).eps * np.multiply.outer(1 / np.asarray(STEPS[1:]), 1 + scale)[:, None]
    uncertainty = np.abs(np.diff(estimates, axis=0)) + rounding
    best = np.where(np.isfinite(uncertainty), uncertainty, np.inf).argmin(axis=0)[None]
    rounding = np.broadcast_to(rounding, uncertainty.shape)
    return np.take_along_axis(estimates[1:], best, axis=0)[0], np.take_along_axis(rounding, best, axis=0)[0]


def not_clipped(env: DifferentiableEnv, rows: Rows, k: int, reach: float) -> np.ndarray:
    """Rows (N,) in which no number begins to be clipped, which makes its derivative 0, when coordinate k moves by `reach`."""
    if not np.isfinite(env.observation_space.low).all():  # nothing is clipped
        return np.ones(len(rows.states), dtype=bool)
    moves = reach * np.eye(env.context_space.size)[k] * np.array([[-1], [0], [1]])
    zero = [env.derivatives(rows.states, rows.actions, rows.contexts + move, rows.noise)[0][..., k] == 0 for move in moves]
    return np.asarray(((zero[0] == zero[1]) & (zero[1] == zero[2])).all(axis=1))


def largest_errors(env: DifferentiableEnv, rows: Rows) -> np.ndarray:
    """The largest error along each coordinate (2, p): relative to its entry, less rounding; relative to its row, as it is."""
    space = env.context_space
    dnext, dreward = env.derivatives(rows.states, rows.actions, rows.contexts, rows.noise)
    assert dnext.dtype == dreward.dtype == np.float64
    derivatives = np.concatenate([dnext, dreward[:, None]], axis=1)
    errors = np.empty((2, space.size))
    tiny = np.finfo(np.float64).tiny
    for k, half_width in enumerate(space.half_widths()):
        if not space.continuous[k]:
            errors[:, k] = np.abs(derivatives[..., k]).max()  # it must be zero
            continue
        smooth = not_clipped(env, rows, k, 2 * STEPS[0] * half_width)
        assert smooth.mean() > 0.9
        expected, rounding = differences(partial(outcome, env, rows), rows.contexts, half_width * np.eye(space.size)[k])
        assert np.isfinite(expected).all()
        error = np.where(smooth[:, None], np.abs(half_width * derivatives[..., k] - expected), 0)
        errors[0, k] = (np.maximum(error - rounding, 0) / np.maximum(np.abs(expected), tiny)).max()
        errors[1, k] = (np.linalg.norm(error, axis=1) / np.maximum(np.linalg.norm(expected, axis=1), tiny)).max()
    return errors


@pytest.mark.parametrize("env_id", CLOSED_FORM)
def test_ten_thousand_derivatives_agree_with_central_differences(env_id: str) -> None:
    env = resolve(env_id).env
    errors = largest_errors(env, draw(env, BEYOND * visited(env_id)))
    assert (errors <= RELATIVE).all(), dict(zip(env.context_space.names, errors.T.tolist(), strict=True))


def test_the_registry_has_environments_in_closed_form() -> None:
    assert {f"offctx/{name}-v0" for name in ("SimpleDirection", "PendulumGoal", "CartGoal")} <= set(CLOSED_FORM)


class Wrong(CartGoal):
    """One entry of one derivative, d theta_dot' / d l, is off by three millionths."""

    def derivatives(self, states, actions, contexts, noise=None):
        dnext, dreward = super().derivatives(states, actions, contexts, noise)
        dnext = dnext.copy()
        dnext[4321, 3, 3] *= 1 + 3e-6
        return dnext, dreward


def test_an_entry_that_is_off_by_three_millionths_is_seen() -> None:
    rows = draw(CartGoal(), np.array([2.4, 3.0, np.radians(12), 3.0]))
    errors = largest_errors(Wrong(), rows)
    assert errors[0, 3] == pytest.approx(3e-6, rel=0.1)
    assert RELATIVE < errors[1, 3] < 3e-6, "its row has another entry, which is right"
    assert (np.delete(errors, 3, axis=1) <= RELATIVE).all()
