"""The share of the gap between a start and a reference that a method closes.

`offctx.compare` and the experiments start at the strongest of baseline and null controls (`offctx.evaluation.rule`): from a
weak baseline, a placebo closes the gap too.

Dimensions: R training runs of one method, K contexts, M episodes per context.
"""

import math

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

from offctx.evaluation.statistics.aggregates import Array
from offctx.evaluation.statistics.intervals import GapClosed, Interval
from offctx.evaluation.statistics.joint import JointMeans, joint_means
from offctx.evaluation.statistics.units import MIN_SEEDS

_ROUNDING = 1e-12  # of the larger mean: a gap below it is the rounding of equal means
_NUMERATOR, _DENOMINATOR = np.array([1.0, -1, 0]), np.array([0.0, -1, 1])  # weights of method, start, reference
_STEPS = np.tan(np.concatenate([np.linspace(0, math.pi / 2, 200, endpoint=False), math.pi / 2 - 0.1 ** np.arange(3, 8)]))


def gap_closed(
    method: npt.ArrayLike, baseline: npt.ArrayLike, reference: npt.ArrayLike, *, confidence: float = 0.95
) -> GapClosed:
    """Returns the share of the gap between start and reference that a method closes, as a ratio of mean returns.

        share = (mean(method) - mean(start)) / (mean(reference) - mean(start))

    The share is undefined (None) unless the interval of reference - start lies above 0. Its interval is Fieller's: all shares x
    at which the t interval of (method - start) - x (reference - start) contains 0. It is bounded exactly where the share is
    defined. The three arms are paired by seed and by episode, as in `offctx.evaluation.statistics.joint`.

    Args:
        method: returns (R, K, M). K must agree among the three; R and M may differ.
        baseline: returns (R, K, M) of the start.
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
    estimate = float(_NUMERATOR @ joint.means) / gap.estimate
    low, high = _fieller(joint, estimate, confidence)
    return GapClosed(Interval(estimate, low, high, confidence, joint.over, shares), True, gap, None, shares)


def _fieller(joint: JointMeans, share: float, confidence: float) -> tuple[float, float]:
    """The outermost x on both sides of the share at which |N - x D| equals its margin, N and D the two differences of means.

    x is share + tan(angle) half-widths. The degrees of freedom change with x, so that there is no closed form.
    """
    gap = float(_DENOMINATOR @ joint.means)
    half = float(joint.margin(_NUMERATOR - share * _DENOMINATOR, confidence)) / gap
    if not half > 0:
        return share, share

    def beyond(x: npt.ArrayLike) -> Array:
        """How far |N - x D| lies beyond its margin."""
        weights = _NUMERATOR - np.asarray(x, dtype=np.float64)[..., np.newaxis] * _DENOMINATOR
        return np.asarray(np.abs(weights @ joint.means) - joint.margin(weights, confidence))

    def bound(side: int) -> float:
        steps = share + side * half * _STEPS
        inside = np.flatnonzero(beyond(steps) <= 0)
        if not len(inside):
            return share
        last = int(inside[-1])
        if last + 1 == len(steps):
            return side * math.inf
        within, outside = float(steps[last]), float(steps[last + 1])
        # One number and many are rounded differently: at the bound itself, `within` may lie beyond it by one rounding.
        if beyond(within) >= 0:
            return within
        return outside if beyond(outside) <= 0 else float(brentq(beyond, within, outside, xtol=1e-14))

    return bound(-1), bound(1)


def _seed_shares(by_seed: Array) -> tuple[float, ...]:
    """The share of each seed, from means (R, 3); NaN where reference - start is not above 0."""
    numerators, denominators = by_seed @ _NUMERATOR, by_seed @ _DENOMINATOR
    shares = np.divide(numerators, denominators, out=np.full(len(by_seed), np.nan), where=denominators > 0)
    return tuple(shares.tolist())


def _why_undefined(gap: Interval, joint: JointMeans, shares: tuple[float, ...]) -> str:
    if joint.has_interval:
        position = "lies below 0" if gap.high < 0 else "is not above 0"
        return f"reference - start = {gap}, whose {100 * gap.confidence:g} % interval {position}"
    if joint.over == "episodes":
        return "reference - start has no interval, as one episode of one run carries no spread"
    of_seeds = f"; shares of the seeds: {', '.join(f'{share:.2f}' for share in shares)}" if shares else ""
    return f"an interval over seeds needs at least {MIN_SEEDS} of them, found {joint.units}{of_seeds}"
