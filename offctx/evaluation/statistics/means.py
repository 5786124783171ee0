"""Student t intervals of mean returns: over all contexts, and in each context.

Dimensions: R training runs of one method, K contexts, M episodes per context.
"""

import math

import numpy as np
import numpy.typing as npt

from offctx.evaluation.statistics.aggregates import Array, as_returns
from offctx.evaluation.statistics.crossed import parts_of_mean
from offctx.evaluation.statistics.intervals import Interval
from offctx.evaluation.statistics.student import checked_confidence, t_factor
from offctx.evaluation.statistics.units import enough_units, kind_of_interval


def mean_interval(returns: npt.ArrayLike, *, confidence: float = 0.95) -> Interval:
    """Returns the mean over runs, contexts and episodes with its Student t interval.

    Args:
        returns: (R, K, M), undiscounted. With R > 1 the interval is over seeds and episodes (R of at least 5, else there is
            none), with R == 1 over the episodes of the one agent.
        confidence: of the interval, in (0, 1).

    Raises:
        EvaluationError: returns that are not finite or not (R, K, M), or a bad confidence.

    Example::

        mean_interval(np.stack([report.returns["test"] for report in reports]))  # one report for each seed
    """
    over_contexts = as_returns(returns).mean(axis=1, keepdims=True)
    estimate, low, high = (float(bound[0]) for bound in context_intervals(over_contexts, confidence=confidence))
    seeds = over_contexts.mean(axis=(1, 2)).tolist() if len(over_contexts) > 1 else []
    over = None if math.isnan(low) else kind_of_interval(over_contexts)
    return Interval(estimate, low, high, confidence, over, tuple(seeds))


def context_intervals(returns: npt.ArrayLike, *, confidence: float = 0.95) -> tuple[Array, Array, Array]:
    """Returns the mean return in each context with its Student t interval.

    Each interval holds for its context alone, not for all contexts at once.

    Args:
        returns: (R, K, M), undiscounted; the intervals are over what that of `mean_interval` is over.
        confidence: of the intervals, in (0, 1).

    Returns:
        estimate (K,), low (K,), high (K,); bounds are NaN where there are too few seeds or episodes for an interval.

    Raises:
        EvaluationError: as `mean_interval`.
    """
    checked = as_returns(returns)
    runs, _, episodes = checked.shape
    by_context = np.ascontiguousarray(checked.transpose(1, 0, 2))  # (K, R, M)
    estimate = by_context.mean(axis=2).mean(axis=1)
    checked_confidence(confidence)
    if not enough_units(kind_of_interval(checked), runs if runs > 1 else episodes):
        return estimate, np.full_like(estimate, np.nan), np.full_like(estimate, np.nan)
    parts = parts_of_mean(by_context)
    margin = t_factor(confidence, parts.degrees) * np.sqrt(parts.variance)
    return estimate, estimate - margin, estimate + margin
