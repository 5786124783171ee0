"""Which contexts belong to a space, and the error for one that does not.

Dimensions: K contexts, p coordinates.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from offctx.contexts import discrete
from offctx.errors import ContextError

if TYPE_CHECKING:
    from offctx.contexts.space import ContextSpace

Contexts = NDArray[np.float64]


def vector(value: Any, p: int, what: str, *, broadcast: bool = True, names: Sequence[str] | None = None) -> Contexts:
    """A fresh float64 vector (p,).

    Args:
        value: p numbers.
        p: how many numbers are expected.
        what: the name of the value, for the error message.
        broadcast: whether one number serves all coordinates.
        names: the coordinates, for the error message.

    Raises:
        ContextError: the value is not p numbers.
    """
    try:
        row = np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ContextError(f"{what} must be {p} numbers; found {value!r}") from error
    if row.ndim == 0 and (broadcast or p == 1):
        row = np.full(p, row)
    if row.shape != (p,):
        coordinates = f", coordinates {list(names)}" if names else ""
        raise ContextError(f"{what} must have {p} numbers{coordinates}; found shape {row.shape}")
    return row


def checked_names(names: Sequence[str]) -> tuple[str, ...]:
    """Coordinate names as a tuple; ContextError where they are not distinct Python identifiers, at least one."""
    names = tuple(names)
    if len(names) == 0 or len(set(names)) != len(names) or not all(str(name).isidentifier() for name in names):
        raise ContextError(f"context names must be distinct identifiers, at least one; found {list(names)}")
    return names


def checked_bounds(low: ArrayLike, high: ArrayLike, p: int) -> tuple[Contexts, Contexts]:
    """Bounds (p,) and (p,); ContextError where they are not numbers with low <= high in every coordinate."""
    lower, upper = vector(low, p, "low"), vector(high, p, "high")
    if np.isnan([lower, upper]).any() or not (lower <= upper).all():
        raise ContextError(f"expected low <= high in every coordinate; found low {lower}, high {upper}")
    return lower, upper


def row_from_names(space: "ContextSpace", values: Mapping[str, float]) -> Contexts:
    """A context (p,) from values by name; the other coordinates are those of the default context."""
    row = space.default.copy()
    for name, value in values.items():
        row[space.index(name)] = vector(value, 1, f"context coordinate {name}")[0]
    return row


def rows_from_numbers(space: "ContextSpace", contexts: ArrayLike) -> Contexts:
    """Contexts as a fresh array (K, p) from one context, from K contexts, or from K numbers where p is 1; values unchecked."""
    if np.ma.is_masked(contexts):
        raise ContextError(f"expected contexts without a mask, which would be ignored; found {contexts!r:.200}")
    try:
        rows = np.array(contexts, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ContextError(f"contexts must be numbers (K, {space.size}) for {list(space.names)}: {error}") from error
    if rows.ndim == 1:
        rows = rows[:, None] if space.size == 1 else rows[None]
    if rows.ndim != 2 or rows.shape[1] != space.size or len(rows) == 0:
        raise ContextError(
            f"expected contexts of shape (K, {space.size}) with K >= 1, coordinates {list(space.names)}; "
            f"found shape {np.shape(contexts)}"
        )
    return rows


def valid_rows(space: "ContextSpace", rows: Contexts, extrapolate: bool) -> NDArray[np.bool_]:
    """Which contexts (K, p) are valid: booleans (K,)."""
    valid: NDArray[np.bool_] = np.asarray(np.isfinite(rows).all(axis=1))
    if space.discrete:
        valid &= discrete.takes(space, rows).all(axis=1)
    if not extrapolate:
        low, high = discrete.bounds_of_numbers(space)
        valid &= ((rows >= low) & (rows <= high)).all(axis=1)
    for constraint in space.inequalities:
        valid &= constraint.holds(rows)
    return valid


def refuse_invalid(space: "ContextSpace", rows: Contexts, extrapolate: bool) -> None:
    """ContextError that names the first invalid context of (K, p) and the rule that it breaks."""
    invalid = np.flatnonzero(~space.valid(rows, extrapolate=extrapolate))
    if len(invalid):
        position = f" (row {invalid[0]} of {len(rows)})" if len(rows) > 1 else ""
        raise ContextError(_why_invalid(space, rows[invalid[0]], position, extrapolate))


def _why_invalid(space: "ContextSpace", row: Contexts, place: str, extrapolate: bool) -> str:
    """The rule that an invalid context (p,) breaks, as a sentence."""
    context = f"context {space.describe(row)}{place}"
    if not np.isfinite(row).all():
        return f"{context} is not finite; expected numbers for {list(space.names)}"
    allowed = discrete.takes(space, row[None])[0]
    for k, name in enumerate(space.names):
        if not allowed[k]:
            return f"{context}: {name} is discrete and takes {discrete.rule(space, name)} only; found {float(row[k])!r}"
        if not extrapolate and name not in space.listed and not space.low[k] <= row[k] <= space.high[k]:
            return (
                f"{context} is out of bounds: {name} must lie in [{space.low[k]:g}, {space.high[k]:g}]; to leave the bounds "
                f"on purpose, ask for extrapolate (an option of reset, an argument of collect and evaluate)"
            )
    broken = next(inequality.text for inequality in space.inequalities if not inequality.holds(row[None])[0])
    return f"{context} is not a valid combination: it must satisfy {broken}"
