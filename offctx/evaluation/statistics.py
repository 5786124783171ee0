"""Means, interquartile means and bootstrap intervals of episode returns over contexts.

Dimensions: R training runs (seeds) of one method, K contexts, M episodes per context, B bootstrap replicates,
U resampled units (episodes or runs).

What is resampled, and why. `returns` is (R, K, M) everywhere.

1. R == 1. There is one trained policy, so nothing can be said about other training seeds; the interval covers
   the evaluation episodes only. Episodes are resampled with replacement within each context, independently of
   the other contexts: the stratified bootstrap of Agarwal et al. 2021 (arXiv:2108.13264, "Deep Reinforcement
   Learning at the Edge of the Statistical Precipice"), as in rliable, with its runs := our episodes and its
   tasks := our contexts.
2. R > 1. The unit is the trained policy, scored in each context by its mean over episodes. Runs are resampled
   with replacement jointly across contexts: a run that is bad in one context tends to be bad in the next, and
   to resample each context on its own, as rliable does for tasks trained apart, would break that correlation
   and give intervals of the mean that are too narrow.
3. R == 1 and M == 1. One number per context carries no information about its spread; low and high are NaN.

Departures from rliable: the joint resampling (2), the NaN (3), and a generator that is passed in (rliable
draws from NumPy's global state, whatever `random_state` it is given). Percentile intervals over fewer than
about five runs are too narrow, here as there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from offctx.errors import EvaluationError

Array = npt.NDArray[np.float64]
Statistic = Literal["mean", "iqm", "worst"]

# Elements gathered at once: 32 MB of indices and as much of returns, whatever R, K, M and B are.
_CHUNK_ELEMENTS = 4_000_000


@dataclass(frozen=True)
class Interval:
    """An estimate with its bootstrap interval.

    estimate, low, high: in the units of the return (or of a share: none). low and high are NaN where one
    episode of one run was all there was, and may be infinite for the share of a gap. confidence: in (0, 1).
    """

    estimate: float
    low: float
    high: float
    confidence: float = 0.95

    def __str__(self) -> str:
        if math.isnan(self.low) or math.isnan(self.high):
            return f"{self.estimate:.4g} [no interval]"
        width = self.high - self.low
        if not math.isfinite(width) or width == 0:
            return f"{self.estimate:.4g} [{self.low:.4g}, {self.high:.4g}]"
        # Two digits of the width are all that the estimate deserves.
        decimals = min(max(1 - math.floor(math.log10(width)), 0), 9)
        return f"{self.estimate:.{decimals}f} [{self.low:.{decimals}f}, {self.high:.{decimals}f}]"

    def to_dict(self) -> dict[str, float | None]:
        """The four numbers, ready for strict JSON: a bound that is NaN (unknown) or infinite is None."""
        return {
            "estimate": self.estimate,
            "low": self.low if math.isfinite(self.low) else None,
            "high": self.high if math.isfinite(self.high) else None,
            "confidence": self.confidence,
        }


@dataclass(frozen=True)
class GapClosed:
    """How much of the gap from a baseline to a reference a method closes.

    share: 0 at the baseline, 1 at the reference; None where it is undefined, with the reason in words.
    separated: the interval of reference - baseline lies above 0. difference: reference - baseline, mean
    return.
    """

    share: Interval | None
    separated: bool
    difference: Interval
    reason: str | None = None

    def __str__(self) -> str:
        return f"undefined: {self.reason}" if self.share is None else str(self.share)

    def to_dict(self) -> dict[str, Any]:
        """The record, ready for strict JSON."""
        return {
            "share": None if self.share is None else self.share.to_dict(),
            "separated": self.separated,
            "difference": self.difference.to_dict(),
            "reason": self.reason,
        }


def iqm(scores: npt.ArrayLike) -> float:
    """The interquartile mean: the mean of the middle half of all entries.

    Floor(n / 4) entries are cut from each end, as in rliable's `aggregate_iqm` (scipy's `trim_mean(x,
    0.25)`).
    scores: any shape. Raises EvaluationError where scores is empty or not finite.
    """
    flat = _finite(scores, "scores").reshape(1, -1)
    if flat.size == 0:
        raise EvaluationError("expected at least one score, found none")
    return float(iqm_rows(flat)[0])


def iqm_rows(scores: Array) -> Array:
    """The interquartile mean of each scores[b]. scores: (B, ...) -> (B,)."""
    flat = scores.reshape(len(scores), -1)
    cut = flat.shape[1] // 4
    keep = flat.shape[1] - cut
    result: Array = np.partition(flat, (cut, keep - 1), axis=1)[:, cut:keep].mean(axis=1)
    return result


def bootstrap_interval(
    returns: npt.ArrayLike,
    statistic: Statistic = "mean",
    *,
    rng: np.random.Generator,
    replicates: int = 2000,
    confidence: float = 0.95,
) -> Interval:
    """An aggregate over contexts with its percentile bootstrap interval (what is resampled: see the module).

    returns: (R, K, M), undiscounted.
    statistic: "mean" over all of them; "iqm", the interquartile mean over episodes and contexts (R == 1) or
        over runs and contexts (R > 1); "worst", the least over contexts of the mean return. The bootstrap of
        a minimum leans low: its interval can lie mostly below the estimate.
    Raises EvaluationError for returns that are not finite or not (R, K, M), an unknown statistic, replicates
    < 2, or a confidence outside (0, 1).
    """
    checked = as_returns(returns)
    if statistic not in _STATISTICS:
        raise EvaluationError(f"expected a statistic among {sorted(_STATISTICS)}, found {statistic!r}")
    reduce = _STATISTICS[statistic]
    estimate = float(reduce(_units(checked)[np.newaxis])[0])
    samples = _replicate(checked, reduce, rng, replicates)
    low, high = np.quantile(samples, _tails(confidence))
    return Interval(estimate, float(low), float(high), confidence)


def context_intervals(
    returns: npt.ArrayLike, *, rng: np.random.Generator, replicates: int = 2000, confidence: float = 0.95
) -> tuple[Array, Array, Array]:
    """The mean return in each context with its percentile bootstrap interval, one context at a time.

    returns: (R, K, M) -> estimate (K,), low (K,), high (K,). Each interval holds for its context alone, not
    for all contexts at once. Raises EvaluationError as `bootstrap_interval` does.
    """
    checked = as_returns(returns)
    samples = _replicate(checked, _per_context, rng, replicates)
    low, high = np.quantile(samples, _tails(confidence), axis=0)
    return checked.mean(axis=(0, 2)), low, high


def gap_closed(
    method: npt.ArrayLike,
    baseline: npt.ArrayLike,
    reference: npt.ArrayLike,
    *,
    rng: np.random.Generator,
    replicates: int = 2000,
    confidence: float = 0.95,
) -> GapClosed:
    """The share of the gap between baseline and reference that a method closes, as a ratio of mean returns.

        share = (mean(method) - mean(baseline)) / (mean(reference) - mean(baseline))

    method, baseline, reference: (R, K, M) each; K must agree, R and M need not. The three are resampled
    independently; where they were played with common random numbers, that makes the interval wider than it
    need be, not narrower.

    Undefined (share None) unless the interval of reference - baseline lies above 0. Where it does, a few
    replicates can still have a denominator <= 0; they are ordered as +inf or -inf, by the sign of their
    numerator, rather than dropped, so that the interval widens. Its bounds are order statistics, not
    interpolated, since inf - inf is NaN.
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
    tails = _tails(confidence)
    means = [float(array.mean()) for array in arrays]
    samples = [_replicate(array, _mean, rng, replicates) for array in arrays]
    gap = means[2] - means[1]
    gap_samples = samples[2] - samples[1]
    low, high = np.quantile(gap_samples, tails)
    difference = Interval(gap, float(low), float(high), confidence)
    # Returns that are equal but for the rounding of their means are not separated.
    if not low > 1e-12 * max(map(abs, means)):
        return GapClosed(None, False, difference, _not_separated(difference))
    shares = _ordered_ratio(samples[0] - samples[1], gap_samples)
    share = Interval(
        (means[0] - means[1]) / gap,
        float(np.quantile(shares, tails[0], method="lower")),
        float(np.quantile(shares, tails[1], method="higher")),
        confidence,
    )
    return GapClosed(share, True, difference)


def as_returns(returns: npt.ArrayLike, label: str = "returns") -> Array:
    """`returns` as float64 (R, K, M); raises EvaluationError where it is not finite, not 3-d, or empty."""
    array = _finite(returns, label)
    if array.ndim != 3 or 0 in array.shape:
        raise EvaluationError(
            f"expected {label} of shape (runs, contexts, episodes), none of them 0, found shape {array.shape}"
        )
    return array


def _finite(values: npt.ArrayLike, label: str) -> Array:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        found = type(values).__name__
        raise EvaluationError(f"expected {label} as an array of numbers, found {found}") from error
    bad = array.size - np.count_nonzero(np.isfinite(array))
    if bad:
        raise EvaluationError(f"expected finite {label}, found {bad} of {array.size} entries NaN or infinite")
    return array


def _units(returns: Array) -> Array:
    """(R, K, M) -> what is resampled, (U, K): episodes of the one run, or runs by their episodes' mean."""
    result: Array = returns[0].T if len(returns) == 1 else returns.mean(axis=2)
    return result


def _resamples(returns: Array, rng: np.random.Generator, replicates: int) -> Iterator[Array]:
    """Bootstrap resamples of the units in chunks (b, U, K), whose b sum to `replicates`."""
    units = _units(returns)
    size, contexts = units.shape
    chunk = max(1, _CHUNK_ELEMENTS // units.size)
    for start in range(0, replicates, chunk):
        count = min(chunk, replicates - start)
        if len(returns) == 1:
            rows = rng.integers(size, size=(count, size, contexts))
            yield units[rows, np.arange(contexts)]
        else:
            yield units[rng.integers(size, size=(count, size))]


def _replicate(returns: Array, reduce: Callable[[Array], Array], rng: np.random.Generator, replicates: int) -> Array:
    """`reduce` ((b, U, K) -> (b, ...)) of each bootstrap resample: (B, ...); NaN for a single unit."""
    if not isinstance(rng, np.random.Generator):
        raise EvaluationError(f"expected rng as a numpy.random.Generator, found {type(rng).__name__}")
    if isinstance(replicates, bool) or not isinstance(replicates, (int, np.integer)) or replicates < 2:
        raise EvaluationError(f"expected replicates as an integer of at least 2, found {replicates!r}")
    units = _units(returns)
    if len(units) == 1:
        return np.full((replicates, *reduce(units[np.newaxis]).shape[1:]), np.nan)
    return np.concatenate([reduce(chunk) for chunk in _resamples(returns, rng, int(replicates))])


def _tails(confidence: float) -> Array:
    if not 0 < confidence < 1:
        raise EvaluationError(f"expected confidence between 0 and 1, found {confidence!r}")
    return np.array([(1 - confidence) / 2, (1 + confidence) / 2])


def _per_context(samples: Array) -> Array:
    """(b, U, K) -> (b, K)."""
    result: Array = samples.mean(axis=1)
    return result


def _mean(samples: Array) -> Array:
    """(b, U, K) -> (b,)."""
    result: Array = samples.mean(axis=(1, 2))
    return result


def _worst(samples: Array) -> Array:
    """(b, U, K) -> (b,)."""
    result: Array = samples.mean(axis=1).min(axis=1)
    return result


_STATISTICS: dict[str, Callable[[Array], Array]] = {"mean": _mean, "iqm": iqm_rows, "worst": _worst}


def _ordered_ratio(numerator: Array, denominator: Array) -> Array:
    """numerator / denominator, (B,), where the denominator is positive, else infinity signed alike.

    As a denominator falls to 0 the ratio goes to that infinity, and past 0 it stays there, so the order is
    kept. A numerator of exactly 0 has the ratio 0 throughout.
    """
    beyond = np.copysign(np.inf, numerator)
    beyond[numerator == 0] = 0.0
    beyond[np.isnan(numerator)] = np.nan
    return np.divide(numerator, denominator, out=beyond, where=denominator > 0)


def _not_separated(difference: Interval) -> str:
    percent = f"{100 * difference.confidence:g} %"
    if math.isnan(difference.low):
        return "reference - baseline has no interval, as one episode of one run carries no spread"
    verdict = "lies below 0" if difference.high < 0 else "is not above 0"
    return f"reference - baseline = {difference}, whose {percent} interval {verdict}"
