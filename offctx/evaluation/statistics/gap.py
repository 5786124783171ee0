"""The share of the gap between a baseline and a reference that a method closes.

Dimensions: R training runs of one method, K contexts, M episodes per context.
"""

import math

import numpy as np
import numpy.typing as npt

from offctx.evaluation.statistics.aggregates import Array
from offctx.evaluation.statistics.intervals import GapClosed, Interval
from offctx.evaluation.statistics.joint import JointMeans, joint_means
from offctx.evaluation.statistics.units import MIN_SEEDS

_ROUNDING = 1e-12  # of the larger mean: a gap below it is the rounding of equal means
_NUMERATOR, _DENOMINATOR = np.array([1.0, -1, 0]), np.array([0.0, -1, 1])  # weights of method, baseline, reference


def gap_closed(
    method: npt.ArrayLike, baseline: npt.ArrayLike, reference: npt.ArrayLike, *, confidence: float = 0.95
) -> GapClosed:
    """Returns the share of the gap between baseline and reference that a method closes, as a ratio of mean returns.

        share = (mean(method) - mean(baseline)) / (mean(reference) - mean(baseline))

    The share is undefined (None) unless the interval of reference - baseline lies above 0. Its interval is Fieller's: all
    shares x at which the t interval of (method - baseline) - x (reference - baseline) contains 0. It is bounded exactly where
    the share is defined. The three arms are paired by seed, or by episode where each has one run, as in
    `offctx.evaluation.statistics.joint`.

    Args:
        method: returns (R, K, M). K must agree among the three; R and M may differ.
        baseline: returns (R, K, M).
        reference: returns (R, K, M).
        confidence: of the intervals, in (0, 1).

    Raises:
        EvaluationError: the numbers of contexts differ, returns are not finite or not (R, K, M), or a bad confidence.

    Source: E. C. Fieller, "Some problems in interval estimation", J. R. Stat. Soc. B 16 (1954).
    """
    joint = joint_means({"method": method, "baseline": baseline, "reference": reference})
    gap = joint.interval(_DENOMINATOR, confidence)
    shares = _seed_shares(joint.by_seed)
    if not gap.low > _ROUNDING * float(np.abs(joint.means).max()):
        return GapClosed(None, False, gap, _why_undefined(gap, joint, shares), shares)
    low, high = _fieller(joint, confidence)
    estimate = float(_NUMERATOR @ joint.means) / gap.estimate
    return GapClosed(Interval(estimate, low, high, confidence, joint.over, shares), True, gap, None, shares)


def _fieller(joint: JointMeans, confidence: float) -> tuple[float, float]:
    """Where (N - x D)^2 = t^2 var(N - x D), for means N and D of numerator and denominator; var(D) t^2 < D^2."""
    squared = joint.quantile(confidence) ** 2
    N, D = float(_NUMERATOR @ joint.means), float(_DENOMINATOR @ joint.means)
    a = D * D - squared * float(_DENOMINATOR @ joint.covariance @ _DENOMINATOR)
    b = N * D - squared * float(_NUMERATOR @ joint.covariance @ _DENOMINATOR)
    c = N * N - squared * float(_NUMERATOR @ joint.covariance @ _NUMERATOR)
    root = math.sqrt(max(b * b - a * c, 0.0))  # below 0 by rounding only
    return (b - root) / a, (b + root) / a


def _seed_shares(by_seed: Array) -> tuple[float, ...]:
    """The share of each seed, from means (R, 3); NaN where reference - baseline is not above 0."""
    numerators, denominators = by_seed @ _NUMERATOR, by_seed @ _DENOMINATOR
    shares = np.divide(numerators, denominators, out=np.full(len(by_seed), np.nan), where=denominators > 0)
    return tuple(shares.tolist())


def _why_undefined(gap: Interval, joint: JointMeans, shares: tuple[float, ...]) -> str:
    if joint.has_interval:
        position = "lies below 0" if gap.high < 0 else "is not above 0"
        return f"reference - baseline = {gap}, whose {100 * gap.confidence:g} % interval {position}"
    if joint.over == "episodes":
        return "reference - baseline has no interval, as one episode of one run carries no spread"
    of_seeds = f"; shares of the seeds: {', '.join(f'{share:.2f}' for share in shares)}" if shares else ""
    return f"an interval over seeds needs at least {MIN_SEEDS} of them, found {joint.units}{of_seeds}"
