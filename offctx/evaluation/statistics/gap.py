"""The share of the gap between a baseline and a reference that a method closes.

Dimensions: R training runs of one method, K contexts, M episodes per context, B bootstrap replicates.
"""

import math

import numpy as np
import numpy.typing as npt

from offctx.errors import EvaluationError
from offctx.evaluation.statistics.aggregates import Array, as_returns, mean_rows
from offctx.evaluation.statistics.bootstrap import bootstrap_samples, tail_quantiles
from offctx.evaluation.statistics.intervals import GapClosed, Interval

_ROUNDING = 1e-12  # of the larger mean: a gap below it is the rounding of equal means


def gap_closed(
    method: npt.ArrayLike,
    baseline: npt.ArrayLike,
    reference: npt.ArrayLike,
    *,
    rng: np.random.Generator,
    replicates: int = 2000,
    confidence: float = 0.95,
) -> GapClosed:
    """Returns the share of the gap between baseline and reference that a method closes, as a ratio of mean returns.

        share = (mean(method) - mean(baseline)) / (mean(reference) - mean(baseline))

    The share is undefined (None) unless the interval of reference - baseline lies above 0. Even then a few replicates can
    have a denominator <= 0. They count as +inf or -inf, by the sign of their numerator, so that the interval widens; they are
    not dropped. The bounds are order statistics, not interpolated, because inf - inf is NaN.

    The three arrays are resampled independently. Where they were played with common random numbers, this makes the interval
    wider than necessary, not narrower.

    Args:
        method: returns (R, K, M). K must agree among the three; R and M may differ.
        baseline: returns (R, K, M).
        reference: returns (R, K, M).
        rng: of the resampling.
        replicates: B, at least 2.
        confidence: of the intervals, in (0, 1).

    Raises:
        EvaluationError: the numbers of contexts differ, or arguments as for `bootstrap_interval`.
    """
    arrays = [
        as_returns(array, label) for array, label in ((method, "method"), (baseline, "baseline"), (reference, "reference"))
    ]
    counts = [array.shape[1] for array in arrays]
    if len(set(counts)) > 1:
        raise EvaluationError(
            "expected the same contexts for method, baseline and reference, "
            f"found {counts[0]}, {counts[1]} and {counts[2]} contexts"
        )
    quantiles = tail_quantiles(confidence)
    means = [float(array.mean()) for array in arrays]
    samples = [bootstrap_samples(array, mean_rows, rng, replicates) for array in arrays]
    gap, gap_samples = means[2] - means[1], samples[2] - samples[1]
    low, high = np.quantile(gap_samples, quantiles)
    difference = Interval(gap, float(low), float(high), confidence)
    if not low > _ROUNDING * max(map(abs, means)):
        return GapClosed(None, False, difference, _why_undefined(difference))
    shares = _ordered_ratio(samples[0] - samples[1], gap_samples)
    share = Interval(
        (means[0] - means[1]) / gap,
        float(np.quantile(shares, quantiles[0], method="lower")),
        float(np.quantile(shares, quantiles[1], method="higher")),
        confidence,
    )
    return GapClosed(share, True, difference)


def _ordered_ratio(numerator: Array, denominator: Array) -> Array:
    """numerator / denominator, (B,), where the denominator is positive; elsewhere infinity with the numerator's sign.

    As a denominator falls to 0, the ratio goes to that infinity. It stays there for denominators below 0, so that the order
    is kept. A numerator of exactly 0 has the ratio 0 throughout.
    """
    beyond = np.copysign(np.inf, numerator)
    beyond[numerator == 0] = 0.0
    beyond[np.isnan(numerator)] = np.nan
    return np.divide(numerator, denominator, out=beyond, where=denominator > 0)


def _why_undefined(difference: Interval) -> str:
    percent = f"{100 * difference.confidence:g} %"
    if math.isnan(difference.low):
        return "reference - baseline has no interval, as one episode of one run carries no spread"
    position = "lies below 0" if difference.high < 0 else "is not above 0"
    return f"reference - baseline = {difference}, whose {percent} interval {position}"
