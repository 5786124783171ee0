"""How a context space makes sets of contexts: draws, meshes, sweeps, and splits.

Dimensions: K contexts, p coordinates.
"""

from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import ArrayLike

from offctx.contexts import meshes, sampling
from offctx.contexts.checking import Contexts
from offctx.contexts.splits import hold_out_splits

if TYPE_CHECKING:
    from offctx.contexts.space import ContextSpace


class ContextSets:
    """The part of `ContextSpace` that makes contexts; all of them are valid."""

    @property
    def _space(self) -> "ContextSpace":
        return cast("ContextSpace", self)

    def sample(self, rng: np.random.Generator, n: int | None = None) -> Contexts:
        """Uniform valid contexts within the bounds.

        Args:
            rng: source of randomness.
            n: how many; one context without the leading dimension where not given.

        Returns:
            (n, p), or (p,).

        Raises:
            ContextError: a bound is infinite, n < 1, or the constraints leave hardly any context.
        """
        rows = sampling.sample(self._space, 1 if n is None else n, rng)
        return rows[0] if n is None else rows

    def local(self, n: int, radius: ArrayLike, rng: np.random.Generator, *, base: ArrayLike | None = None) -> Contexts:
        """Local domain randomization (LDR): n valid draws of base + radius * N(0, I).

        Source: arXiv 2507.07348, the upper bound that CSE is compared with. Draws outside the space are drawn again;
        discrete coordinates stay at the base.

        Args:
            n: how many contexts.
            radius: standard deviation, one number or one per coordinate, in the coordinates' units.
            rng: source of randomness.
            base: centre (p,); the default context where not given.

        Returns:
            (n, p).

        Raises:
            ContextError: the radius is negative or not finite, the base is invalid, or hardly any draw is valid.
        """
        return sampling.local(self._space, n, radius, rng, base)

    def mesh(self, **values: ArrayLike) -> Contexts:
        """The product of the given coordinate values, the other coordinates at the default.

        Args:
            values: for each named coordinate its values (n,), or one number, in the coordinate's unit.

        Returns:
            (K, p), where the last name of the space varies fastest.

        Raises:
            ContextError: unknown name, or an invalid combination.

        Example::

            space.mesh(g=[1, 2], tau=[-0.5, 0, 0.5])  # six contexts
        """
        return meshes.mesh(self._space, values)

    def sweep(
        self, name: str, values: int | ArrayLike = 9, *, base: ArrayLike | None = None, include_base: bool = True
    ) -> Contexts:
        """Contexts along one coordinate, the others at `base`.

        Args:
            name: the coordinate.
            values: its values (n,); or how many equidistant ones over its bounds, of which the valid ones are kept (of a
                discrete coordinate, the nearest whole numbers, each once; of one with listed values, at most so many of them).
            base: the context (p,) to vary; the default context where not given.
            include_base: whether a row equal to the base is kept. A policy that was trained in the base context is tested on
                contexts that it has not seen with False.

        Returns:
            (K, p).

        Raises:
            ContextError: unknown name, a count where a bound is infinite, an invalid context, or no context beside the base.

        Example::

            space.sweep("tau", [-0.5, 0, 0.5], include_base=False)  # two contexts where tau is 0 by default
        """
        return meshes.sweep(self._space, name, values, base, include_base)

    def hold_out(self, low: ArrayLike, high: ArrayLike, n: int, rng: np.random.Generator) -> dict[str, Contexts]:
        """Random splits inside and outside a box, for interpolation and extrapolation.

        Args:
            low: lower corner of the box (p,), or one number for all.
            high: upper corner of the box (p,), or one number for all.
            n: contexts in each split.
            rng: source of randomness.

        Returns:
            "train" and "in", inside the box, and "out", within the bounds but outside the box: (n, p) each.

        Raises:
            ContextError: the box leaves the bounds, or hardly any context lies inside or outside of it.
        """
        return hold_out_splits(self._space, low, high, n, rng)
