"""The summary of one method on one split."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from offctx.evaluation.statistics import GapClosed, Interval


@dataclass(frozen=True)
class SummaryRow:
    """One method on one split.

    Attributes:
        method: its name.
        split: its name.
        runs: number of training runs.
        contexts: number of contexts.
        episodes: per context and run.
        aer: average episode return.
        iqm: interquartile mean.
        worst_context: name -> value of the context with the smallest mean return.
        worst_return: the mean return there.
        gap: the AER of split "train" minus the AER of this split; None without a split "train".
        gap_closed: the share of the reference's gain over the strongest of baseline and null controls; None for the reference
            and for these, or without a reference.
    """

    method: str
    split: str
    runs: int
    contexts: int
    episodes: int
    aer: Interval
    iqm: Interval
    worst_context: Mapping[str, float]
    worst_return: float
    gap: float | None
    gap_closed: GapClosed | None

    def to_dict(self) -> dict[str, Any]:
        """The row for strict JSON."""
        return vars(self) | {
            "aer": self.aer.to_dict(),
            "iqm": self.iqm.to_dict(),
            "worst_context": dict(self.worst_context),
            "gap_closed": None if self.gap_closed is None else self.gap_closed.to_dict(),
        }
