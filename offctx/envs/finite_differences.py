"""Derivatives of one step by central differences, for environments that are simulated and not written in torch.

The outcome of a row is its next observation and its reward side by side, o + 1 numbers.

Dimensions: N rows, V variants of the context, s state, o observation, a action, p context.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_ROWS = 2048  # differentiated at a time, to bound memory

# (states (N, s), actions (N, a), contexts (N, p), offsets (V, p)) -> outcomes (V, N, o + 1) in the contexts plus each offset
OffsetOutcomes = Callable[[Array, Array, Array, Array], Array]


def along_directions(
    outcomes: Callable[[Array, Array, Array, Array | None], Array],
    pairs: Sequence[tuple[Array, Array | None]],
    noise: Array | None,
    h: float,
    action_space: Any,
) -> Array:
    """Derivatives of outcomes along directions of states, actions and contexts, noise held fixed.

    Args:
        outcomes: (states, actions, contexts, noise) -> (N, o + 1).
        pairs: states (N, s), actions and contexts, each with its direction, or None to keep it.
        noise: (N, z), or None.
        h: the step, relative to the length of the direction.
        action_space: where a step backwards would leave its bounds, differences are one-sided.

    Returns:
        (N, o + 1).
    """

    def outcome(k: float, rows: Any) -> Array:
        """The outcomes (n, o + 1) of rows moved by k steps."""
        s, a, c = (x[rows] if dx is None else x[rows] + k * h * dx[rows] for x, dx in pairs)
        return outcomes(s, a, c, None if noise is None else noise[rows])

    one_sided = np.zeros(0, dtype=np.intp)
    actions, dactions = pairs[1]
    if dactions is not None:
        backwards = actions - h * dactions
        outside = (backwards < action_space.low) | (backwards > action_space.high)
        one_sided = np.flatnonzero(outside.any(axis=1))
    return along_direction(outcome, h, one_sided)


def along_direction(outcome: Callable[[float, Any], Array], h: float, one_sided: NDArray[np.intp]) -> Array:
    """Derivatives of the outcome along one direction for each row, with an error of order h^2.

    Args:
        outcome: (k, rows) -> the outcomes (n, o + 1) of these rows, moved by k steps of h along their direction.
        h: the step, relative to the length of the direction.
        one_sided: indices of rows that may not be moved backwards; their differences use steps 0, 1 and 2.

    Returns:
        (N, o + 1).
    """
    derivatives = (outcome(1, slice(None)) - outcome(-1, slice(None))) / (2 * h)
    if len(one_sided):
        ahead, here, far = (outcome(k, one_sided) for k in (1, 0, 2))
        derivatives[one_sided] = (4 * ahead - 3 * here - far) / (2 * h)
    return derivatives


def along_contexts(
    outcomes: OffsetOutcomes,
    transitions: tuple[Array, Array, Array],
    *,
    steps: Array,
    moving: NDArray[np.intp],
    shares: Sequence[float],
    outcome_size: int,
) -> list[Array]:
    """Central differences along every context coordinate, with several step sizes.

    Args:
        outcomes: the outcomes of rows with their contexts moved by offsets.
        transitions: states (N, s), actions (N, a) and contexts (N, p).
        steps: of the differences (p,), in the coordinates' units.
        moving: indices of the coordinates to move; the derivative along the others is 0.
        shares: of the steps, one for each result.
        outcome_size: o + 1.

    Returns:
        For each share, (N, o + 1, p).
    """
    axes = np.diag(steps)[moving]  # one row for each coordinate that moves
    offsets = np.concatenate([sign * share * axes for share in shares for sign in (1, -1)])
    states, actions, contexts = transitions
    n = len(states)
    derivatives = [np.zeros((n, outcome_size, len(steps))) for _ in shares]
    for begin in range(0, n, _ROWS):
        rows = slice(begin, begin + _ROWS)
        sides = np.split(outcomes(states[rows], actions[rows], contexts[rows], offsets), 2 * len(shares))
        for k, share in enumerate(shares):
            slopes = (sides[2 * k] - sides[2 * k + 1]) / (2 * share * steps[moving, None, None])
            derivatives[k][rows][..., moving] = slopes.transpose(1, 2, 0)
    return derivatives


def relative_error(wide: Array, narrow: Array, scale: Array) -> Array:
    """How far derivatives with a wide step and with a narrow step disagree: |wide - narrow| / max(|wide|, |narrow|).

    Args:
        wide: (N, o + 1, p).
        narrow: (N, o + 1, p).
        scale: unit of each context coordinate (p,).

    Returns:
        (N,); 0 where both are 0.
    """
    size = np.maximum(*(_row_norms(part * scale) for part in (narrow, wide)))
    difference = _row_norms((wide - narrow) * scale)
    return np.divide(difference, size, out=np.zeros_like(difference), where=size > 0)


def _row_norms(rows: Array) -> Array:
    """The norm of each row (N,) of (N, o + 1, p), summed in an order that does not depend on N."""
    flat = np.ascontiguousarray(rows).reshape(len(rows), -1)
    return np.asarray(np.sqrt((flat**2).sum(axis=1)))
