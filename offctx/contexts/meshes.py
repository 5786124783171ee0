"""Regular sets of contexts: products of coordinate values, and lines along one coordinate.

Dimensions: K contexts, p coordinates.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from offctx.contexts import discrete
from offctx.contexts.checking import Contexts
from offctx.errors import ContextError

if TYPE_CHECKING:
    from offctx.contexts.space import ContextSpace


def mesh(space: "ContextSpace", values: Mapping[str, ArrayLike]) -> Contexts:
    """The product (K, p) of the values of each named coordinate, the other coordinates at the default."""
    for name in values:
        space.index(name)
    axes = [np.atleast_1d(np.asarray(values.get(name, space.default[k]))) for k, name in enumerate(space.names)]
    grid = np.meshgrid(*axes, indexing="ij")
    return space.check_many(np.stack([axis.ravel() for axis in grid], axis=1))


def sweep(space: "ContextSpace", name: str, values: int | ArrayLike, base: ArrayLike | None, include_base: bool) -> Contexts:
    """Contexts (K, p) along one coordinate, the other coordinates at the base; rows equal to the base are kept on request."""
    k = space.index(name)
    start = space.default if base is None else space.check(base)
    if isinstance(values, (int, np.integer)):
        rows = _line(start, k, _equidistant(space, k, int(values)))
        rows = rows[space.valid(rows)]
    else:
        rows = _line(start, k, np.asarray(values, dtype=np.float64))
    if not include_base:
        rows = rows[~_at_base(rows[:, k], float(start[k]))]
        if not len(rows):
            raise ContextError(f"a sweep of {name} without its base {space.describe(start)} has no context; give other values")
    return space.check_many(rows)


def _at_base(values: Contexts, base: float) -> NDArray[np.bool_]:
    """Which values (K,) of a coordinate are the base's, up to the rounding of equidistant values."""
    scale = max(abs(base), float(np.abs(values).max(initial=0.0)))
    return np.abs(values - base) <= 1e-12 * scale


def _line(start: Contexts, k: int, values: Contexts) -> Contexts:
    """Copies (K, p) of the context `start` (p,) with the values (K,) in coordinate k."""
    rows = np.tile(start, (values.size, 1))
    rows[:, k] = values
    return rows


def _equidistant(space: "ContextSpace", k: int, count: int) -> Contexts:
    """Values over the bounds of coordinate k; of a discrete one, whole numbers or listed values, each once."""
    if space.names[k] in space.listed:
        return discrete.spread(space.listed[space.names[k]], count)
    if not np.isfinite(space.high[k] - space.low[k]):
        raise ContextError(f"a sweep of {space.names[k]} by count needs finite bounds; give its values instead")
    values = np.linspace(space.low[k], space.high[k], count)
    return values if space.continuous[k] else np.unique(np.round(values))
