"""The intervals under test: those of `offctx.evaluation.statistics`, and percentile bootstraps beside them.

Dimensions: D draws of a whole experiment, R training seeds, K contexts, M episodes per context, A arms, B resamples.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from offctx.evaluation.statistics import Interval, bootstrap_interval, difference, gap_closed, mean_interval
from offctx.evaluation.statistics.resampling import all_resamples
from offctx.evaluation.statistics.student import t_quantile
from tools.reproduce.coverage.populations import Floats

CONFIDENCE = 0.95
UNDEFINED = (np.nan, np.nan)  # where no share is reported
_REPLICATES = 2000
_LISTED = 7  # seeds up to which all resamples are listed


def ours(statistic: str, arms: Sequence[Floats]) -> Floats:
    """Our intervals (D, 2) from returns (D, R, K, M) of each arm; NaN where a share of a gap is not reported."""
    return np.array([_bounds(statistic, [arm[draw] for arm in arms], draw) for draw in range(len(arms[0]))])


def _bounds(statistic: str, arms: Sequence[Floats], draw: int) -> tuple[float, float]:
    if statistic == "share":
        closed = gap_closed(*arms)
        return UNDEFINED if closed.share is None else (closed.share.low, closed.share.high)
    interval: Interval
    if statistic == "iqm":
        interval = bootstrap_interval(arms[0], "iqm", rng=np.random.default_rng(draw))
    else:
        interval = mean_interval(arms[0]) if statistic == "mean" else difference(arms[0], arms[1])
    return interval.low, interval.high


def seeds_alone(first: Floats, second: Floats | float) -> Floats:
    """Student's intervals (D, 2) over seeds alone of the mean of first - second, returns (D, R, K, M) or a number."""
    by_seed = first.mean(axis=(2, 3)) - (second if isinstance(second, float) else second.mean(axis=(2, 3)))
    count = by_seed.shape[1]
    margin = t_quantile(CONFIDENCE, count) * by_seed.std(axis=1, ddof=1) / np.sqrt(count)
    center = by_seed.mean(axis=1)
    return np.stack([center - margin, center + margin], axis=1)


def percentiles(statistic: str, arms: Sequence[Floats], *, expanded: bool) -> Floats:
    """Percentile bootstrap intervals (D, 2) over seeds, joint over arms, of a mean, a difference or a share.

    Args:
        statistic: "mean", "difference" or "share".
        arms: returns (D, R, K, M) of each arm.
        expanded: widen the tails to Phi(-sqrt(R / (R - 1)) t), t the quantile of Student's t, so that the interval of a mean is
            about as wide as Student's (Hesterberg, "What teachers should know about the bootstrap", 2015).
    """
    seeds = arms[0].shape[1]
    tail = (1 - CONFIDENCE) / 2
    if expanded:
        tail = float(ndtr(-np.sqrt(seeds / (seeds - 1)) * t_quantile(CONFIDENCE, seeds)))
    if seeds <= _LISTED:
        rows, weights = all_resamples(seeds)
    else:
        rows = np.random.default_rng(0).integers(seeds, size=(_REPLICATES, seeds))
        weights = np.full(_REPLICATES, 1 / _REPLICATES)
    shares = (rows[:, :, np.newaxis] == np.arange(seeds)).mean(axis=1)  # (B, R), of each seed in a resample
    samples = _combined(statistic, [arm.mean(axis=(2, 3)) @ shares.T for arm in arms])
    return _weighted_tails(samples, weights, tail)


def _combined(statistic: str, means: Sequence[Floats]) -> Floats:
    """The statistic from the mean of each arm, of any shape. A share whose gap is not above 0 is infinite."""
    if statistic == "mean":
        return means[0]
    gain: Floats = means[0] - means[1]
    if statistic == "difference":
        return gain
    gap = means[2] - means[1]
    return np.divide(gain, gap, out=np.copysign(np.inf, gain), where=gap > 0)


def _weighted_tails(samples: Floats, weights: NDArray[np.float64], tail: float) -> Floats:
    """The least sample with at least `tail` of the weight at or below it, and the like from above: (D, B) -> (D, 2)."""
    order = samples.argsort(axis=1)
    ordered, below = np.take_along_axis(samples, order, axis=1), weights[order].cumsum(axis=1)
    low = (below < tail - 1e-12).sum(axis=1)
    high = (below < 1 - tail - 1e-12).sum(axis=1)
    draws = np.arange(len(samples))
    return np.stack([ordered[draws, low], ordered[draws, np.minimum(high, ordered.shape[1] - 1)]], axis=1)


def contexts_apart(returns: Floats) -> Floats:
    """Intervals (D, 2) of the mean of one agent (D, 1, K, M), were each context's episodes resampled on their own.

    This is the stratified percentile bootstrap of rliable, by its normal limit: its variance is known in closed form.
    """
    episodes = returns[:, 0]
    error = np.sqrt((episodes.var(axis=2) / episodes.shape[2]).sum(axis=1)) / episodes.shape[1]
    center = episodes.mean(axis=(1, 2))
    return np.stack([center - 1.96 * error, center + 1.96 * error], axis=1)
