"""Means, interquartile means, differences and shares of gaps of episode returns over contexts, with Student t intervals.

`aggregates` holds point estimates, `units` says what an interval is over (training seeds and episodes, or the episodes of one
agent), `crossed` the standard errors over both, and `student` the rule of intervals. `means` has the intervals of means and
those in each context, `resampling` those of other statistics, `joint` the means of several arms with the covariance of their
errors, from which `difference` and `gap` follow. `intervals` holds the records that are returned. docs/statistics.md says how
often the intervals contain the truth.
"""

from offctx.evaluation.statistics.aggregates import Array, Statistic, as_returns, iqm, iqm_rows
from offctx.evaluation.statistics.difference import difference
from offctx.evaluation.statistics.gap import gap_closed
from offctx.evaluation.statistics.intervals import GapClosed, Interval, Over
from offctx.evaluation.statistics.means import context_intervals, mean_interval
from offctx.evaluation.statistics.resampling import bootstrap_interval
from offctx.evaluation.statistics.units import MIN_SEEDS

__all__ = [
    "MIN_SEEDS",
    "Array",
    "GapClosed",
    "Interval",
    "Over",
    "Statistic",
    "as_returns",
    "bootstrap_interval",
    "context_intervals",
    "difference",
    "gap_closed",
    "iqm",
    "iqm_rows",
    "mean_interval",
]
