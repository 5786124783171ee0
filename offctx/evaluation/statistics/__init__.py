"""Means, interquartile means and bootstrap intervals of episode returns over contexts.

`aggregates` holds point estimates, `bootstrap` their intervals and what is resampled, `split_intervals` the intervals in each
context of all splits, `gap` the share of a gap that a method closes, `intervals` the records that are returned.
"""

from offctx.evaluation.statistics.aggregates import Array, Statistic, as_returns, iqm, iqm_rows
from offctx.evaluation.statistics.bootstrap import bootstrap_interval, context_intervals
from offctx.evaluation.statistics.gap import gap_closed
from offctx.evaluation.statistics.intervals import GapClosed, Interval
from offctx.evaluation.statistics.split_intervals import split_context_intervals

__all__ = [
    "Array",
    "GapClosed",
    "Interval",
    "Statistic",
    "as_returns",
    "bootstrap_interval",
    "context_intervals",
    "gap_closed",
    "iqm",
    "iqm_rows",
    "split_context_intervals",
]
