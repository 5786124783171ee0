"""Named sets of contexts: those that every space has, and random ones for training and for interpolation or extrapolation."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from offctx.contexts.checking import Contexts, vector
from offctx.contexts.sampling import first_valid, uniform
from offctx.errors import ContextError

if TYPE_CHECKING:
    from offctx.contexts.space import ContextSpace


def default_splits(space: "ContextSpace") -> dict[str, Contexts]:
    """The default context alone, "train" (1, p), and for each bounded coordinate "sweep_<name>" (K, p)."""
    bounded = np.isfinite(space.high - space.low)
    sweeps = {f"sweep_{name}": space.sweep(name) for name, finite in zip(space.names, bounded, strict=True) if finite}
    return {"train": space.default[None], **sweeps}


def hold_out_splits(
    space: "ContextSpace", low: ArrayLike, high: ArrayLike, n: int, rng: np.random.Generator
) -> dict[str, Contexts]:
    """Random splits "train" and "in" (inside the box from low to high) and "out" (outside the box), (n, p) each."""
    lower, upper = vector(low, space.size, "low"), vector(high, space.size, "high")
    if not ((space.low <= lower) & (lower <= upper) & (upper <= space.high)).all():
        raise ContextError(f"expected {space.low} <= low <= high <= {space.high}; found low {lower}, high {upper}")

    def inside(k: int) -> Contexts:
        return uniform(space, lower, upper, k, rng)

    def outside(k: int) -> Contexts:
        rows = uniform(space, space.low, space.high, k, rng)
        return rows[((rows < lower) | (rows > upper)).any(axis=1)]

    draws = {"train": inside, "in": inside, "out": outside}
    return {name: first_valid(space, n, draw) for name, draw in draws.items()}
