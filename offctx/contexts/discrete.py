"""Discrete coordinates: which values they take, and how a batch of rows is compared with them.

A discrete coordinate takes whole numbers, or the values that its space lists. Batches hold contexts in float32, so a number is
a listed value where both are the same in float32.

Dimensions: K contexts, p coordinates, V values of one coordinate.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from offctx.errors import ContextError

if TYPE_CHECKING:
    from offctx.contexts.space import ContextSpace

Contexts = NDArray[np.float64]


def listed_values(discrete: Sequence[str] | Mapping[str, ArrayLike | None]) -> dict[str, Contexts]:
    """The values (V,) of each coordinate that has a list, sorted and read-only.

    Args:
        discrete: names alone, or from a name to its values; None in place of values stands for whole numbers.

    Raises:
        ContextError: values are not distinct finite numbers, at least one.
    """
    if isinstance(discrete, str):
        raise ContextError(f"discrete must be names or a mapping from names to values; found {discrete!r}")
    if not isinstance(discrete, Mapping):
        return {}
    return {name: _checked(name, values) for name, values in discrete.items() if values is not None}


def _checked(name: str, values: ArrayLike) -> Contexts:
    expected = f"the values of the discrete coordinate {name} must be distinct finite numbers, at least one"
    try:
        row = np.sort(np.array(values, dtype=np.float64), axis=None) + 0.0  # no -0.0
    except (TypeError, ValueError) as error:
        raise ContextError(f"{expected}; found {values!r}") from error
    distinct = len(np.unique(row.astype(np.float32))) == len(row)
    if np.ndim(values) != 1 or len(row) == 0 or not np.isfinite(row).all() or not distinct:
        raise ContextError(f"{expected}; found {values!r}")
    row.flags.writeable = False
    return row


def refuse_values_beyond_bounds(space: "ContextSpace") -> None:
    """ContextError where a listed value lies outside the bounds of its coordinate."""
    for name, values in space.listed.items():
        k = space.index(name)
        if values[0] < space.low[k] or values[-1] > space.high[k]:
            raise ContextError(
                f"the values {text(values)} of the discrete coordinate {name} must lie within its bounds "
                f"[{space.low[k]:g}, {space.high[k]:g}]"
            )


def takes(space: "ContextSpace", rows: Contexts) -> NDArray[np.bool_]:
    """Whether each discrete coordinate of contexts (K, p) has one of its values: booleans (K, p), True where continuous."""
    result: NDArray[np.bool_] = space.continuous | (rows == np.floor(rows))
    for name, values in space.listed.items():
        k = space.index(name)
        result[:, k] = (rows[:, k, None].astype(np.float32) == values.astype(np.float32)).any(axis=1)
    return result


def bounds_of_numbers(space: "ContextSpace") -> tuple[Contexts, Contexts]:
    """The bounds (p,) and (p,) of coordinates; infinite where values are listed, as these lie within the bounds."""
    if not space.listed:
        return space.low, space.high
    listed = np.array([name in space.listed for name in space.names])
    return np.where(listed, -np.inf, space.low), np.where(listed, np.inf, space.high)


def with_exact_values(space: "ContextSpace", rows: Contexts) -> Contexts:
    """Contexts (K, p) in which a number that is a listed value in float32 is that value in float64; changed in place."""
    for name, values in space.listed.items():
        k = space.index(name)
        nearest = np.abs(rows[:, k, None] - values).argmin(axis=1)
        same = rows[:, k].astype(np.float32) == values[nearest].astype(np.float32)
        rows[:, k] = np.where(same, values[nearest], rows[:, k])
    return rows


def value_at(space: "ContextSpace", k: int, low: float, high: float, shares: Contexts) -> Contexts:
    """The values of discrete coordinate k at shares (n,) in [0, 1) of its values from low to high; NaN where there is none."""
    values = space.listed.get(space.names[k])
    if values is None:
        first, last = np.ceil(low), np.floor(high)
        return first + np.floor(shares * (last - first + 1)) if last >= first else np.full_like(shares, np.nan)
    inside = values[(values >= low) & (values <= high)]
    return inside[np.floor(shares * len(inside)).astype(np.intp)] if len(inside) else np.full_like(shares, np.nan)


def spread(values: Contexts, count: int) -> Contexts:
    """At most `count` of the values (V,), equidistant in their order, with the first and the last."""
    return values[np.unique(np.round(np.linspace(0, len(values) - 1, count)).astype(np.intp))]


def values_of(space: "ContextSpace", name: str) -> Contexts:
    """All values (V,) of a discrete coordinate within its bounds, in order.

    Raises:
        ContextError: the coordinate is continuous, or takes whole numbers without finite bounds.
    """
    k = space.index(name)
    if name not in space.discrete:
        raise ContextError(f"{name} is continuous; discrete are {list(space.discrete)}")
    if name in space.listed:
        return space.listed[name].copy()
    if not np.isfinite(space.high[k] - space.low[k]):
        raise ContextError(f"{name} takes whole numbers without finite bounds: its values cannot be listed")
    return np.arange(np.ceil(space.low[k]), np.floor(space.high[k]) + 1)


def rule(space: "ContextSpace", name: str) -> str:
    """What values a discrete coordinate takes, as words: "whole numbers", or "the values {-1, 1}"."""
    return f"the values {text(space.listed[name])}" if name in space.listed else "whole numbers"


def text(values: ArrayLike) -> str:
    """Values (V,) as text: ``{-1, 0.5, 2}``."""
    return "{" + ", ".join(repr(value).removesuffix(".0") for value in np.asarray(values, dtype=np.float64).tolist()) + "}"
