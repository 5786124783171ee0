"""Percentile bootstrap intervals of returns (R, K, M) over contexts.

Dimensions: R training runs of one method, K contexts, M episodes per context, B bootstrap replicates, U resampled units
(episodes or runs).

The unit that is resampled depends on the data:

1. R == 1: the episode. There is one trained policy, so the interval cannot cover other training seeds; it covers evaluation
   episodes only. Episodes are resampled with replacement within each context, independently of the other contexts. This is
   the stratified bootstrap of Agarwal et al. 2021 (arXiv 2108.13264), as in rliable, with its runs := our episodes and its
   tasks := our contexts.
2. R > 1: the trained policy, scored in each context by its mean over episodes. Runs are resampled with replacement, jointly
   across contexts: a run that is bad in one context tends to be bad in the next one. To resample each context on its own, as
   rliable does for tasks that were trained apart, would lose that correlation and make intervals of the mean too narrow.
3. R == 1 and M == 1: nothing. One number per context carries no information about its spread; low and high are NaN.

Departures from rliable: the joint resampling (2), the NaN (3), and a generator that is passed in (rliable draws from NumPy's
global state). Percentile intervals over fewer than about five runs are too narrow, here as in rliable.
"""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from offctx.errors import EvaluationError
from offctx.evaluation.statistics.aggregates import STATISTICS, Array, Statistic, as_returns, context_mean_rows
from offctx.evaluation.statistics.intervals import Interval

# Elements gathered at once: 32 MB of indices and as much of returns, whatever R, K, M and B are.
_CHUNK_ELEMENTS = 4_000_000


def bootstrap_interval(
    returns: npt.ArrayLike,
    statistic: Statistic = "mean",
    *,
    rng: np.random.Generator,
    replicates: int = 2000,
    confidence: float = 0.95,
) -> Interval:
    """Returns an aggregate over contexts with its percentile bootstrap interval. The module says what is resampled.

    Args:
        returns: (R, K, M), undiscounted.
        statistic: "mean" over all returns; "iqm", the interquartile mean over episodes and contexts (R == 1) or over runs and
            contexts (R > 1); "worst", the smallest mean return of a context. The bootstrap of a minimum is biased downwards:
            its interval can lie mostly below the estimate.
        rng: of the resampling.
        replicates: B, at least 2.
        confidence: of the interval, in (0, 1).

    Raises:
        EvaluationError: returns that are not finite or not (R, K, M), an unknown statistic, bad replicates or confidence.

    Example::

        bootstrap_interval(report.returns["test"][None], "iqm", rng=np.random.default_rng(0))
    """
    checked = as_returns(returns)
    if statistic not in STATISTICS:
        raise EvaluationError(f"expected a statistic among {sorted(STATISTICS)}, found {statistic!r}")
    reduce = STATISTICS[statistic]
    estimate = float(reduce(_units(checked)[np.newaxis])[0])
    samples = bootstrap_samples(checked, reduce, rng, replicates)
    low, high = np.quantile(samples, tail_quantiles(confidence))
    return Interval(estimate, float(low), float(high), confidence)


def context_intervals(
    returns: npt.ArrayLike, *, rng: np.random.Generator, replicates: int = 2000, confidence: float = 0.95
) -> tuple[Array, Array, Array]:
    """Returns the mean return in each context with its percentile bootstrap interval.

    Each interval holds for its context alone, not for all contexts at once.

    Args:
        returns: (R, K, M), undiscounted.
        rng: of the resampling.
        replicates: B, at least 2.
        confidence: of the intervals, in (0, 1).

    Returns:
        estimate (K,), low (K,), high (K,).

    Raises:
        EvaluationError: as `bootstrap_interval`.
    """
    checked = as_returns(returns)
    samples = bootstrap_samples(checked, context_mean_rows, rng, replicates)
    low, high = np.quantile(samples, tail_quantiles(confidence), axis=0)
    return checked.mean(axis=(0, 2)), low, high


def bootstrap_samples(returns: Array, reduce: Callable[[Array], Array], rng: np.random.Generator, replicates: int) -> Array:
    """Applies `reduce` ((b, U, K) -> (b, ...)) to each bootstrap resample of returns (R, K, M).

    Returns:
        (B, ...); all NaN where there is one unit only.
    """
    if not isinstance(rng, np.random.Generator):
        raise EvaluationError(f"expected rng as a numpy.random.Generator, found {type(rng).__name__}")
    if isinstance(replicates, bool) or not isinstance(replicates, (int, np.integer)) or replicates < 2:
        raise EvaluationError(f"expected replicates as an integer of at least 2, found {replicates!r}")
    units = _units(returns)
    if len(units) == 1:
        return np.full((replicates, *reduce(units[np.newaxis]).shape[1:]), np.nan)
    return np.concatenate([reduce(chunk) for chunk in _resamples(returns, rng, int(replicates))])


def tail_quantiles(confidence: float) -> Array:
    """The two quantiles (2,) between which an interval of this confidence lies."""
    if not 0 < confidence < 1:
        raise EvaluationError(f"expected confidence between 0 and 1, found {confidence!r}")
    return np.array([(1 - confidence) / 2, (1 + confidence) / 2])


def _units(returns: Array) -> Array:
    """What is resampled, (R, K, M) -> (U, K): the episodes of the one run, or the runs, each by the mean of its episodes."""
    units: Array = returns[0].T if len(returns) == 1 else returns.mean(axis=2)
    return units


def _resamples(returns: Array, rng: np.random.Generator, replicates: int) -> Iterator[Array]:
    """Yields bootstrap resamples of the units in chunks (b, U, K); the chunks' b sum to `replicates`."""
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
