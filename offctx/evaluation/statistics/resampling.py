"""Student t intervals of statistics other than the mean, with the standard error from resampled units.

    estimate -+ t(U - 1) sqrt(U / (U - 1)) sd of the statistic over resamples of the U units with replacement

For the mean, whose standard deviation over resamples is known in closed form, this is the interval of `means`.

Where the units are training seeds that play the same episodes, the error over episodes is added, as in `crossed`. To first
order the statistic is a weighted mean of the returns (those of the middle half of runs and contexts alike, say), and the
episodes and residual parts are those of this mean.

Dimensions: R training runs of one method, K contexts, M episodes per context, B resamples, U units (`units`: seeds, or the
episodes of one agent).
"""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from offctx.errors import EvaluationError
from offctx.evaluation.statistics.aggregates import GRADIENTS, STATISTICS, Array, Statistic, as_returns
from offctx.evaluation.statistics.crossed import ErrorParts, parts_of_mean
from offctx.evaluation.statistics.intervals import Interval, Over
from offctx.evaluation.statistics.means import mean_interval
from offctx.evaluation.statistics.student import checked_confidence, t_factor, t_quantile
from offctx.evaluation.statistics.units import as_units, enough_units, kind_of_interval

# Elements gathered at once: 32 MB of indices and as much of returns, whatever R, K, M and B are.
_CHUNK_ELEMENTS = 4_000_000
_ENUMERATED = 7  # units up to which all resamples are listed: 1716 of 7 units

Indices = npt.NDArray[np.intp]


def bootstrap_interval(
    returns: npt.ArrayLike,
    statistic: Statistic = "mean",
    *,
    rng: np.random.Generator,
    replicates: int = 2000,
    confidence: float = 0.95,
) -> Interval:
    """Returns an aggregate over contexts with its Student t interval. The module states the rule.

    Units are resampled jointly across contexts. With up to 7 units all resamples are listed with their probabilities, so that
    the interval does not depend on `rng`.

    Args:
        returns: (R, K, M), undiscounted. With R > 1 the interval is over seeds and episodes (R of at least 5, else there is
            none), with R == 1 over the episodes of the one agent.
        statistic: "mean" over all returns (as `mean_interval`, without resampling); "iqm", the interquartile mean over
            episodes and contexts (R == 1) or over runs and contexts (R > 1); "worst", the smallest mean return of a context.
        rng: of the resampling.
        replicates: B where resamples are drawn, at least 2.
        confidence: of the interval, in (0, 1).

    Raises:
        EvaluationError: returns that are not finite or not (R, K, M), an unknown statistic, bad replicates or confidence.

    Example::

        bootstrap_interval(report.returns["test"][None], "iqm", rng=np.random.default_rng(0))
    """
    checked = as_returns(returns)
    if statistic not in STATISTICS:
        raise EvaluationError(f"expected a statistic among {sorted(STATISTICS)}, found {statistic!r}")
    _check_resampling(rng, replicates)
    if statistic == "mean":
        return mean_interval(checked, confidence=confidence)
    over, units, reduce = kind_of_interval(checked), as_units(checked), STATISTICS[statistic]
    of_units = resampled_interval(
        units, "episodes" if over == "episodes" else "seeds", reduce, rng=rng, replicates=replicates, confidence=confidence
    )
    if over != "seeds and episodes" or math.isnan(of_units.low):
        return of_units
    seeds = ((of_units.high - of_units.estimate) / t_quantile(confidence, len(units))) ** 2
    parts = _with_episodes(checked, GRADIENTS[statistic](units), seeds)
    margin = float((t_factor(confidence, parts.degrees) * np.sqrt(parts.variance))[0])
    estimate = of_units.estimate
    return Interval(estimate, estimate - margin, estimate + margin, confidence, over, of_units.values)


def _with_episodes(returns: Array, weights: Array, seeds: float) -> ErrorParts:
    """The parts (1,) of the error of a statistic, from its squared error over resampled seeds.

    Args:
        returns: (R, K, M).
        weights: (R, K), of the mean returns of runs and contexts in the statistic, to first order.
        seeds: the squared error over seeds.
    """
    weighted = len(returns) * np.einsum("rk,rkm->rm", weights, returns)  # its mean is the statistic
    return replace(parts_of_mean(weighted[np.newaxis]), seeds=np.array([seeds]))


def resampled_interval(
    units: Array,
    over: Over,
    reduce: Callable[[Array], Array],
    *,
    rng: np.random.Generator,
    replicates: int = 2000,
    confidence: float = 0.95,
) -> Interval:
    """Returns any statistic of seeds or episodes with its Student t interval. The module states the rule.

    Args:
        units: (U, ...), one row for each seed or episode.
        over: what the units are.
        reduce: the statistic, of resamples of the units: (B, U, ...) -> (B,). It is also taken of each seed alone (U = 1).
        rng: of the resampling.
        replicates: B where resamples are drawn, at least 2.
        confidence: of the interval, in (0, 1).

    Returns:
        the interval; its bounds are NaN where there are too few units, or where the statistic of a resample is not finite.

    Raises:
        EvaluationError: bad rng, replicates or confidence.
    """
    _check_resampling(rng, replicates)
    checked_confidence(confidence)
    estimate = float(reduce(units[np.newaxis])[0])
    seeds = tuple(reduce(units[:, np.newaxis]).tolist()) if over == "seeds" else ()
    if not enough_units(over, len(units)):
        return Interval(estimate, math.nan, math.nan, confidence, None, seeds)
    margin = t_quantile(confidence, len(units)) * standard_error(units, reduce, rng, replicates)
    known = over if math.isfinite(margin) else None
    return Interval(estimate, estimate - margin, estimate + margin, confidence, known, seeds)


def standard_error(units: Array, reduce: Callable[[Array], Array], rng: np.random.Generator, replicates: int) -> float:
    """The standard error of `reduce` ((B, U, ...) -> (B,)) over units (U, ...), U of at least 2."""
    count = len(units)
    if count <= _ENUMERATED:
        rows, weights = all_resamples(count)
    else:
        rows, weights = rng.integers(count, size=(replicates, count)), np.full(replicates, 1 / replicates)
    samples = np.concatenate([reduce(units[chunk]) for chunk in _chunks(rows, units.size)])
    variance = weights @ (samples - weights @ samples) ** 2
    return math.sqrt(variance * count / (count - 1))


def all_resamples(count: int) -> tuple[Indices, Array]:
    """Every resample of `count` units, up to order.

    Returns:
        indices of units (B, count), B = C(2 count - 1, count); the probability of each row (B,), which sum to 1.
    """
    rows = np.array(list(itertools.combinations_with_replacement(range(count), count)), dtype=np.intp)
    repeats = (rows[:, :, np.newaxis] == np.arange(count)).sum(axis=1)  # (B, count)
    factorials = np.array([math.factorial(k) for k in range(count + 1)], dtype=np.float64)
    return rows, factorials[count] / factorials[repeats].prod(axis=1) / float(count) ** count


def _check_resampling(rng: np.random.Generator, replicates: int) -> None:
    if not isinstance(rng, np.random.Generator):
        raise EvaluationError(f"expected rng as a numpy.random.Generator, found {type(rng).__name__}")
    if isinstance(replicates, bool) or not isinstance(replicates, (int, np.integer)) or replicates < 2:
        raise EvaluationError(f"expected replicates as an integer of at least 2, found {replicates!r}")


def _chunks(rows: Indices, elements: int) -> Iterator[Indices]:
    """`rows` (B, U) in pieces that gather few enough units of this many elements each."""
    size = max(1, _CHUNK_ELEMENTS // elements)
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
