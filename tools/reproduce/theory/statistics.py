"""Means and log-log slopes over seeds with 95 % intervals, by the rules of `offctx.evaluation.statistics`.

Dimensions: R seeds, X values of the horizontal axis, B resamples of seeds.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from offctx.evaluation import statistics
from offctx.evaluation.statistics import Interval
from offctx.evaluation.statistics.resampling import resampled_interval

Floats = NDArray[np.float64]
_REPLICATES = 2000
_ZERO = 1e-12  # smaller values are rounding errors


def mean_interval(values: Sequence[float] | Floats) -> Interval:
    """The mean over seeds with its interval; without one where a value is infinite."""
    v = np.asarray(values, dtype=np.float64)
    if not np.isfinite(v).all():
        return Interval(float(v.mean()), math.nan, math.nan)
    interval = statistics.mean_interval(v[:, np.newaxis, np.newaxis])
    return Interval(float(v.mean()), interval.low, interval.high, over=interval.over, values=interval.values)


def slopes(x: Floats, y: Floats) -> Floats:
    """Least-squares slopes (B,) of log y (B, X) against log x (X,) where y > 0; NaN with fewer than two such points."""
    positive = y > _ZERO
    logs = np.log(np.where(positive, y, 1.0))
    count = positive.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):  # no point: NaN
        apart = np.where(positive, np.log(x) - (positive * np.log(x)).sum(axis=1, keepdims=True) / count, 0.0)
        found: Floats = (apart * logs).sum(axis=1) / (apart**2).sum(axis=1)
    found[count[:, 0] < 2] = np.nan
    return found


def slope_interval(by_x: dict[float, list[float]]) -> Interval:
    """The slope of the mean over seeds with its interval; a seed is resampled for all x at once."""
    x, values = np.array(list(by_x), dtype=np.float64), np.array(list(by_x.values())).T  # (X,), (R, X)
    return resampled_interval(
        values, "seeds", lambda samples: slopes(x, samples.mean(axis=1)), rng=np.random.default_rng(0), replicates=_REPLICATES
    )
