"""Property 8: context derivatives agree with central differences.

The outcome of a row is its next observation and its reward side by side, o + 1 numbers.

Dimensions: N rows, o observation, p context.
"""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from gymnasium import spaces

from offctx.contexts.space import Contexts
from offctx.envs.base import Array, ContextualEnv
from offctx.envs.context_draws import widths
from offctx.envs.differentiable import DifferentiableEnv
from offctx.envs.testing.case import Case
from offctx.envs.testing.comparison import assert_same


def check_derivatives(case: Case) -> None:
    """Derivatives agree with central differences, coordinate by coordinate; along a discrete one they are zero.

    Rows whose derivative the environment itself flags as inexact are left out; they must be fewer than half.
    """
    env = case.env
    if not env.has_derivatives:
        return
    dnext, dreward = _checked_derivatives(case)
    derivatives = np.concatenate([dnext, dreward[:, None]], axis=1)
    trusted = _trusted_rows(case, (dnext, dreward))
    for k, name in enumerate(env.context_space.names):
        if name in env.context_space.discrete:
            assert not derivatives[..., k].any(), (
                f"{case.name}: expected no derivative along the discrete context coordinate {name!r}, which has "
                f"no values between two others; found up to {np.abs(derivatives[..., k]).max():.3g}. {_detach(case, k)}"
            )
        else:
            _check_coordinate(case, k, derivatives[..., k], trusted)


def _detach(case: Case, k: int) -> str:
    """What to do about a derivative along discrete coordinate k."""
    if not isinstance(case.env, DifferentiableEnv):
        return "Return 0 there"
    expression = f"context[..., {k}]"
    return (
        f"Detach it where it stands in the equations, {expression}.detach(), or choose by torch.where({expression} == 1, a, b)"
    )


def _checked_derivatives(case: Case) -> tuple[Array, Array]:
    """The derivatives (N, o, p) and (N, p), in the promised shapes."""
    env, (n, p) = case.env, case.rows[2].shape
    shapes = [(n, *cast(spaces.Box, env.observation_space).shape, p), (n, p)]
    derivatives = env.derivatives(*(array.copy() for array in case.rows))
    actual = [np.shape(part) for part in derivatives]
    assert actual == shapes, f"expected derivatives of shapes {shapes}; found {actual}"
    return derivatives


def _trusted_rows(case: Case, derivatives: tuple[Array, Array]) -> Array:
    """Which rows (N,) the environment does not flag as inexact."""
    env = case.env
    *derivatives_again, error = env.derivatives_with_error(*(array.copy() for array in case.rows))
    assert_same(derivatives, derivatives_again, ("observations", "rewards"), "derivatives against derivatives_with_error")
    trusted = np.ones(len(derivatives[0]), dtype=bool) if error is None else error <= (env.derivative_tolerance or 0)
    flagged = (~trusted).sum()
    assert trusted.mean() > 0.5, f"expected exact derivatives in most rows; the environment flags {flagged} of {len(trusted)}"
    return np.asarray(trusted)


def _check_coordinate(case: Case, k: int, derivative: Array, trusted: Array) -> None:
    """Compares derivatives (N, o + 1) along coordinate k with differences of two steps, whose difference is their error."""
    env, (states, _, contexts, _) = case.env, case.rows
    space, axis = env.context_space, np.eye(env.context_space.size)[k]
    eps = _precision(env)
    h = float(np.cbrt(eps) * widths(space)[k])

    def outcomes(step: float) -> Array:
        states, actions, _, noise = (array.copy() for array in case.rows)
        return _outcomes(env, states, actions, contexts + step * axis, noise)

    wide, narrow = [(outcomes(step) - outcomes(-step)) / (2 * step) for step in (h, h / 2)]
    valid = [space.valid(contexts + step * axis, extrapolate=True) for step in (-h, h)]
    both = valid[0] & valid[1]
    compared = (both if both.any() else np.ones(len(contexts), dtype=bool)) & trusted
    rounding = 20 * eps * (1 + np.abs(states).max() + np.abs(outcomes(0)).max(axis=0)) / h
    allowed = 2 * np.cbrt(eps) * np.abs(narrow[compared]).max(axis=0) + 4 * np.abs(wide - narrow) + rounding
    wrong = ~(np.abs(derivative - narrow) <= allowed) & compared[:, None]
    assert not wrong.any(), _message(case, k, wrong, derivative, narrow)


def relative_deviations(env: ContextualEnv, rows: Sequence[Array]) -> Array:
    """How far the derivatives of each row are from central differences, relative to these.

    Norms are over next observation, reward and coordinates, each coordinate in half-widths of its bounds. The differences of
    two steps are extrapolated, which leaves some 1e-10 of their own error where numbers are float64.

    Args:
        env: with derivatives.
        rows: states (N, s), actions (N, a), contexts (N, p), noise (N, z).

    Returns:
        (N,); 0 where both are 0, NaN where a difference would need an invalid context.
    """
    states, actions, contexts, noise = rows
    space, scale = env.context_space, env.context_space.half_widths()
    dnext, dreward = env.derivatives(states, actions, contexts, noise)
    derivatives = np.concatenate([dnext, dreward[:, None]], axis=1) * scale
    expected = np.zeros_like(derivatives)
    for k in np.flatnonzero(space.continuous):
        h = float(np.cbrt(_precision(env)))
        axis = h * widths(space)[k] * np.eye(space.size)[k]
        sides = {s: _outcomes(env, states, actions, contexts + s * axis, noise) for s in (-1, -0.5, 0.5, 1)}
        invalid = ~np.logical_and(*(space.valid(contexts + s * axis, extrapolate=True) for s in (-1, 1)))
        wide, narrow = (sides[1] - sides[-1]) / 2, sides[0.5] - sides[-0.5]
        expected[..., k] = (4 * narrow - wide) / 3 * (scale / (h * widths(space)))[k]
        expected[invalid, :, k] = np.nan
    size, deviation = (np.sqrt((part**2).sum(axis=(1, 2))) for part in (expected, derivatives - expected))
    return np.asarray(np.divide(deviation, size, out=deviation.copy(), where=size > 0))


def _outcomes(env: ContextualEnv, states: Array, actions: Array, contexts: Contexts, noise: Array) -> Array:
    """Next observations and rewards (N, o + 1), the observations without rounding to float32 where that is possible."""
    next_states, rewards, _ = env.simulate(states, actions, contexts, noise)
    if isinstance(env, DifferentiableEnv):
        observations = cast(Any, env).observe(torch.as_tensor(next_states)).numpy()
    else:
        observations = env.observations(next_states)
    return np.concatenate([observations, rewards[:, None]], axis=1, dtype=np.float64)


def _precision(env: ContextualEnv) -> float:
    """The relative rounding of an outcome."""
    single = env.dtype != torch.float64 if isinstance(env, DifferentiableEnv) else env.observation_space.dtype != np.float64
    return float(np.finfo(np.float32 if single else np.float64).eps)


def _message(case: Case, k: int, wrong: Array, derivative: Array, expected: Array) -> str:
    states, actions, contexts, _ = case.rows
    space = case.env.context_space
    row, column = np.argwhere(wrong)[0]
    number = "reward" if column == wrong.shape[1] - 1 else f"next observation {column}"
    return (
        f"expected the derivative of the {number} along context coordinate {space.names[k]!r} to be "
        f"{expected[row, column]} by central differences, at state {states[row]}, action {actions[row]}, context "
        f"{space.describe(contexts[row])}; found {derivative[row, column]} ({wrong.sum()} numbers of {len(states)} rows)"
    )
