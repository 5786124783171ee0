"""What a picture of returns shows, checked: the contexts of one split, and the estimates of each method in them.

Dimensions: K contexts of the split, n training contexts, p context coordinates.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from offctx.errors import EvaluationError
from offctx.evaluation.plots.style import plain_label
from offctx.evaluation.statistics import Array, Interval

Estimates = tuple[Array, Array, Array]  # estimate, low and high of the mean return in each context, (K,) each


@dataclass(frozen=True, eq=False)
class SplitReturns:
    """The returns of several methods in the contexts of one split. The order of the methods gives their colours.

    Attributes:
        contexts: (K, p).
        names: of the p coordinates.
        units: of the p coordinates, "" where dimensionless.
        train_contexts: (n, p), marked in the picture; n may be 0.
        per_context: method -> estimates in each context. A NaN bound draws no interval.
        overall: method -> the mean over contexts.
        muted: the methods that are drawn in grey.

    Raises:
        EvaluationError: shapes, names or methods do not fit each other.
    """

    contexts: Array
    names: tuple[str, ...]
    units: tuple[str, ...]
    train_contexts: Array
    per_context: Mapping[str, Estimates]
    overall: Mapping[str, Interval]
    muted: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        shape, width = self.contexts.shape, len(self.names)
        if len(shape) != 2 or shape[0] == 0 or shape[1] != width or len(self.units) != width:
            raise EvaluationError(
                f"expected contexts (K, {width}) for {width} names and as many units, "
                f"found shape {shape} and {len(self.units)} units"
            )
        if self.train_contexts.ndim != 2 or self.train_contexts.shape[1] != width:
            raise EvaluationError(f"expected training contexts (n, {width}), found shape {self.train_contexts.shape}")
        if not self.per_context or set(self.per_context) != set(self.overall):
            raise EvaluationError(
                "expected the same methods, at least one, in per_context and overall, "
                f"found {list(self.per_context)} and {list(self.overall)}"
            )
        check_estimates(self.per_context, shape[0])

    def axis_label(self, coordinate: int) -> str:
        """The name of a context coordinate with its unit."""
        unit = self.units[coordinate]
        return plain_label(self.names[coordinate] + (f" [{unit}]" if unit else ""))


def check_estimates(per_context: Mapping[str, Estimates], count: int) -> None:
    """Raises EvaluationError unless each method has three arrays (count,)."""
    for method, arrays in per_context.items():
        if len(arrays) != 3 or any(np.shape(array) != (count,) for array in arrays):
            shapes = [np.shape(array) for array in arrays]
            raise EvaluationError(f"expected estimate, low and high of {method!r} as three arrays ({count},), found {shapes}")


def varying_coordinates(contexts: Array) -> np.ndarray[Any, np.dtype[np.intp]]:
    """Returns the indices of the coordinates of contexts (K, p) that take more than one value, up to float rounding."""
    spread = np.ptp(contexts, axis=0)
    scale = np.abs(contexts).max(axis=0)
    return np.flatnonzero(spread > 1e-9 * np.maximum(scale, 1e-12))
