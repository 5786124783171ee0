"""Intervals of the mean return in each context of each split, in which the same episodes have the same interval.

Dimensions: R training runs of one method, K contexts of a split, M episodes per context, p context coordinates.
"""

from collections.abc import Mapping

import numpy as np

from offctx.evaluation.statistics.aggregates import Array
from offctx.evaluation.statistics.bootstrap import bootstrap_interval, context_intervals
from offctx.evaluation.statistics.streams import statistic_rng


def split_context_intervals(
    returns: Mapping[str, Array], contexts: Mapping[str, Array], *, seed: int, replicates: int = 2000, confidence: float = 0.95
) -> dict[str, tuple[Array, Array, Array]]:
    """Returns the mean return of one method in each context with its percentile bootstrap interval, for all splits.

    A bootstrap interval depends on its random draws. So that a page does not show two intervals of the same episodes:

    1. The interval in the only context of a split is the interval of the split's average episode return.
    2. A context with the same returns in several splits has one interval: that of rule 1 where one of these splits has one
       context only, else that of the first of these splits.

    Args:
        returns: split -> (R, K, M), undiscounted.
        contexts: split -> (K, p).
        seed: of the bootstrap.
        replicates: of the bootstrap, at least 2.
        confidence: of the intervals, in (0, 1).

    Returns:
        split -> estimate (K,), low (K,), high (K,), in the order of `returns`.

    Raises:
        EvaluationError: as `offctx.evaluation.statistics.bootstrap_interval`.
    """
    intervals: dict[str, tuple[Array, Array, Array]] = {}
    first: dict[tuple[bytes, bytes], tuple[float, float, float]] = {}
    for split in sorted(returns, key=lambda split: returns[split].shape[1] > 1):  # splits of one context come first
        values = returns[split]
        if values.shape[1] == 1:
            rng = statistic_rng(seed, split, "mean")
            interval = bootstrap_interval(values, "mean", rng=rng, replicates=replicates, confidence=confidence)
            estimate, low, high = (np.array([bound]) for bound in (interval.estimate, interval.low, interval.high))
        else:
            rng = statistic_rng(seed, split, "contexts")
            estimate, low, high = context_intervals(values, rng=rng, replicates=replicates, confidence=confidence)
        for k, context in enumerate(contexts[split]):
            episodes = (context.tobytes(), values[:, k].tobytes())
            estimate[k], low[k], high[k] = first.setdefault(episodes, (estimate[k], low[k], high[k]))
        intervals[split] = (estimate, low, high)
    return {split: intervals[split] for split in returns}
