"""Moves of contexts by a radius: dc = rho * w * u with half-widths w and unit vectors u; and the default radii.

Dimensions: G contexts to move, R radii, p context coordinates.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from offctx.contexts.kinds import movable
from offctx.contexts.redraw import redraw_until_valid
from offctx.contexts.space import Contexts, ContextSpace
from offctx.envs.base import Array
from offctx.errors import ContextError

_RADII, _DECADES = 17, 2.5  # of the default radii: how many, over how many powers of ten
_WIDEST = 2.0  # half-widths: from one bound to the other
_REDRAWS = 20


def moving_half_widths(space: ContextSpace) -> Array:
    """The half-widths w (p,) of the coordinates that can be moved a little; 0 for the others.

    Discrete coordinates, those of kind "observation" and those with equal bounds are not moved.
    """
    scale = np.where(movable(space) & (space.high > space.low), space.half_widths(), 0.0)
    if not scale.any():
        raise ContextError(f"no coordinate of the context can be moved a little: {space}")
    return np.asarray(scale)


def unit_directions(n: int, moving: Array, rng: np.random.Generator) -> Array:
    """Draws n uniform unit vectors (n, p) in the coordinates that are moving (p,)."""
    directions = np.where(moving, rng.standard_normal((n, len(moving))), 0.0)
    return np.asarray(directions / np.linalg.norm(directions, axis=1, keepdims=True))


def move_contexts(
    space: ContextSpace, contexts: Contexts, radius: Array, directions: Array, rng: np.random.Generator | None
) -> tuple[Contexts, NDArray[np.bool_]]:
    """Moves contexts (G, p) by radius (p,) * directions (G, p).

    A move that would leave the bounds is mirrored, coordinate by coordinate. Where the result is still not valid, another
    direction is drawn, if there is a generator.

    Returns:
        the moved contexts (G, p), and which of them are valid (G,).
    """

    def propose(missing: NDArray[np.intp], attempt: int) -> tuple[Contexts, NDArray[np.bool_]]:
        chosen = directions[missing] if attempt == 0 or rng is None else unit_directions(len(missing), radius > 0, rng)
        moved = _mirrored(space, contexts[missing], radius * chosen)
        return moved, space.valid(moved)

    moved, invalid = redraw_until_valid(propose, len(contexts), 1 if rng is None else 1 + _REDRAWS)
    valid = np.ones(len(contexts), dtype=bool)
    valid[invalid] = False
    return moved, valid


def check_radii(radii: ArrayLike) -> Array:
    """Returns given radii (R,), or raises ContextError unless they are ascending numbers > 0."""
    array = np.array(radii, dtype=np.float64)
    if array.ndim != 1 or len(array) == 0 or not np.isfinite(array).all() or not (np.diff([0.0, *array]) > 0).all():
        raise ContextError(f"radii must be ascending numbers > 0, in half-widths of the bounds; found {radii!r}")
    return array


def default_radii(space: ContextSpace, contexts: Contexts, scale: Array, directions: Array) -> Array:
    """A geometric grid (R,) up to the largest radius at which at least half of the contexts (G, p) can be moved."""
    rng = np.random.default_rng(0)  # a generator of its own: how far one can go does not depend on the report's seed
    for largest in np.geomspace(_WIDEST, _WIDEST / 1000, 61):
        if move_contexts(space, contexts, largest * scale, directions, rng)[1].mean() >= 0.5:
            return np.geomspace(largest / 10**_DECADES, largest, _RADII)
    raise ContextError("hardly any context of the data has valid ones near it; are the data's contexts within the space?")


def _mirrored(space: ContextSpace, contexts: Contexts, dc: Array) -> Contexts:
    """contexts + dc; contexts - dc in the coordinates that would leave the bounds."""
    moved = contexts + dc
    return np.asarray(np.where((moved < space.low) | (moved > space.high), contexts - dc, moved))
