"""Aggregates of returns over contexts: mean, interquartile mean, worst context; and the check of arrays of returns.

Dimensions: R training runs of one method, K contexts, M episodes per context, B bootstrap replicates, U resampled units.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt

from offctx.errors import EvaluationError

Array = npt.NDArray[np.float64]
Statistic = Literal["mean", "iqm", "worst"]


def iqm(scores: npt.ArrayLike) -> float:
    """Returns the interquartile mean: the mean of the middle half of all entries.

    floor(n / 4) entries are cut from each end, as in rliable's `aggregate_iqm` (scipy's `trim_mean(x, 0.25)`).

    Args:
        scores: of any shape.

    Raises:
        EvaluationError: scores are empty or not finite.
    """
    flat = finite_array(scores, "scores").reshape(1, -1)
    if flat.size == 0:
        raise EvaluationError("expected at least one score, found none")
    return float(iqm_rows(flat)[0])


def iqm_rows(scores: Array) -> Array:
    """The interquartile mean of each scores[b]: (B, ...) -> (B,)."""
    flat = scores.reshape(len(scores), -1)
    cut = flat.shape[1] // 4
    keep = flat.shape[1] - cut
    means: Array = np.partition(flat, (cut, keep - 1), axis=1)[:, cut:keep].mean(axis=1)
    return means


def mean_rows(samples: Array) -> Array:
    """The mean over units and contexts: (B, U, K) -> (B,)."""
    means: Array = samples.mean(axis=(1, 2))
    return means


def worst_rows(samples: Array) -> Array:
    """The mean in the worst context: (B, U, K) -> (B,)."""
    worst: Array = samples.mean(axis=1).min(axis=1)
    return worst


def iqm_gradient(units: Array) -> Array:
    """The weight of each score in their interquartile mean: (U, K) -> (U, K)."""
    cut = units.size // 4
    kept = np.argsort(units, axis=None, kind="stable")[cut : units.size - cut]
    weights = np.zeros(units.size)
    weights[kept] = 1 / len(kept)
    return weights.reshape(units.shape)


def worst_gradient(units: Array) -> Array:
    """The weight of each score in the mean of the worst context: (U, K) -> (U, K)."""
    weights = np.zeros(units.shape)
    weights[:, units.mean(axis=0).argmin()] = 1 / len(units)
    return weights


STATISTICS: dict[str, Callable[[Array], Array]] = {"mean": mean_rows, "iqm": iqm_rows, "worst": worst_rows}
GRADIENTS: dict[str, Callable[[Array], Array]] = {"iqm": iqm_gradient, "worst": worst_gradient}


def as_returns(returns: npt.ArrayLike, label: str = "returns") -> Array:
    """Returns `returns` as float64 (R, K, M).

    Raises:
        EvaluationError: an array that is not finite, not 3-d, or empty; `label` names it.
    """
    array = finite_array(returns, label)
    if array.ndim != 3 or 0 in array.shape:
        raise EvaluationError(
            f"expected {label} of shape (runs, contexts, episodes), none of them 0, found shape {array.shape}"
        )
    return array


def finite_array(values: npt.ArrayLike, label: str) -> Array:
    """Returns `values` as float64, or raises EvaluationError where they are no finite numbers; `label` names them."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise EvaluationError(f"expected {label} as an array of numbers, found {type(values).__name__}") from error
    bad = array.size - np.count_nonzero(np.isfinite(array))
    if bad:
        raise EvaluationError(f"expected finite {label}, found {bad} of {array.size} entries NaN or infinite")
    return array
