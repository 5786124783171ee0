"""Random contexts: uniform within bounds, or normal around a base context. Invalid draws are drawn again.

Dimensions: n contexts, p coordinates.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from offctx.contexts.checking import Contexts, vector
from offctx.contexts.discrete import value_at
from offctx.contexts.redraw import redraw_until_valid
from offctx.errors import ContextError

if TYPE_CHECKING:
    from offctx.contexts.space import ContextSpace

_MAX_DRAWS = 1000  # batches


def sample(space: "ContextSpace", n: int, rng: np.random.Generator) -> Contexts:
    """n uniform valid contexts within the bounds (n, p)."""
    if not np.isfinite(space.high - space.low).all():
        raise ContextError("uniform sampling needs finite bounds in every coordinate")
    return first_valid(space, n, lambda k: uniform(space, space.low, space.high, k, rng))


def local(space: "ContextSpace", n: int, radius: ArrayLike, rng: np.random.Generator, base: ArrayLike | None) -> Contexts:
    """n valid draws (n, p) of base + radius * N(0, I); discrete coordinates stay at the base."""
    centre = space.default if base is None else space.check(base)
    scale = vector(radius, space.size, "radius")
    if not np.isfinite(scale).all() or (scale < 0).any():
        raise ContextError(f"radius must be finite and not negative; found {radius!r}")
    scale = np.where(space.continuous, scale, 0.0)
    return first_valid(space, n, lambda k: centre + scale * rng.standard_normal((k, space.size)))


def uniform(space: "ContextSpace", low: Contexts, high: Contexts, n: int, rng: np.random.Generator) -> Contexts:
    """n uniform draws (n, p) in the box from low to high, of real numbers or of the values of a discrete coordinate.

    Constraints are not checked. Where no value of a discrete coordinate lies in the box, that coordinate is NaN: not valid.
    """
    rows = rng.uniform(low, high, size=(n, space.size))
    discrete = np.flatnonzero(~space.continuous)
    if len(discrete):
        shares = rng.random((n, len(discrete)))
        for k, share in zip(discrete, shares.T, strict=True):
            rows[:, k] = value_at(space, int(k), low[k], high[k], share)
    return rows


def first_valid(space: "ContextSpace", n: int, draw: Callable[[int], Contexts]) -> Contexts:
    """The first n valid rows (n, p) of repeated batches `draw(n)`.

    Raises:
        ContextError: n < 1, or hardly any draw is valid.
    """
    if n < 1:
        raise ContextError(f"expected at least one context to draw; found {n}")

    def propose(missing: NDArray[np.intp], attempt: int) -> tuple[Contexts, NDArray[np.bool_]]:
        batch = draw(n)
        batch = batch[space.valid(batch)][: len(missing)]
        rows = np.empty((len(missing), space.size))
        rows[: len(batch)] = batch
        return rows, np.arange(len(missing)) < len(batch)

    rows, missing = redraw_until_valid(propose, n, _MAX_DRAWS)
    if len(missing):
        raise ContextError(
            f"hardly any draw is a valid context of {space}: {n - len(missing)} of {n} found in {_MAX_DRAWS} batches; widen "
            f"the bounds or constraints, or move the base or box away from their edges"
        )
    return rows
