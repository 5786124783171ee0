"""Means and log-log slopes over seeds with 95 % percentile bootstrap intervals.

Dimensions: R seeds, B bootstrap replicates.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from offctx.evaluation.statistics import Interval

Floats = NDArray[np.float64]
REPLICATES = 2000
_ZERO = 1e-12  # smaller values are rounding errors


def resampled_seeds(R: int) -> NDArray[np.int64]:
    """Indices of seeds, drawn with replacement (B, R): the same for every interval."""
    return np.random.default_rng(0).integers(R, size=(REPLICATES, R))


def mean_interval(values: Sequence[float] | Floats) -> Interval:
    """The mean over seeds with its interval; the interval is NaN with one seed, or where a value is infinite."""
    v = np.asarray(values, dtype=np.float64)
    if len(v) < 2 or not np.isfinite(v).all():
        return Interval(float(v.mean()), float("nan"), float("nan"))
    low, high = np.quantile(v[resampled_seeds(len(v))].mean(axis=1), [0.025, 0.975])
    return Interval(float(v.mean()), float(low), float(high))


def slope(x: Floats, y: Floats) -> float:
    """Least-squares slope of log y against log x where y > 0; NaN with fewer than two such points."""
    positive = y > _ZERO
    if positive.sum() < 2:
        return float("nan")
    return float(np.polyfit(np.log(x[positive]), np.log(y[positive]), 1)[0])


def slope_interval(by_x: dict[float, list[float]]) -> Interval:
    """The slope of the mean over seeds with its interval; a replicate resamples seeds for all x at once."""
    x, values = np.array(list(by_x), dtype=np.float64), np.array(list(by_x.values()))
    estimate = slope(x, values.mean(axis=1))
    if values.shape[1] < 2:
        return Interval(estimate, float("nan"), float("nan"))
    slopes = [slope(x, values[:, seeds].mean(axis=1)) for seeds in resampled_seeds(values.shape[1])]
    low, high = np.nanquantile(slopes, [0.025, 0.975]) if np.isfinite(slopes).any() else (np.nan, np.nan)
    return Interval(estimate, float(low), float(high))
