"""Records: an estimate with its bootstrap interval, and the share of a gap that a method closes."""

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Interval:
    """An estimate with its bootstrap interval. ``str`` rounds it to two digits of the interval's width.

    Attributes:
        estimate: in units of the return, or a share without unit.
        low: lower bound, in the same unit. NaN where one episode of one run gives no spread; infinite where the share of a
            gap is unbounded.
        high: upper bound, as `low`.
        confidence: in (0, 1).
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
        decimals = min(max(1 - math.floor(math.log10(width)), 0), 9)  # two digits of the width: more would be noise
        return f"{self.estimate:.{decimals}f} [{self.low:.{decimals}f}, {self.high:.{decimals}f}]"

    def to_dict(self) -> dict[str, float | None]:
        """The four numbers for strict JSON. A bound that is NaN (unknown) or infinite becomes None."""
        return {
            "estimate": self.estimate,
            "low": self.low if math.isfinite(self.low) else None,
            "high": self.high if math.isfinite(self.high) else None,
            "confidence": self.confidence,
        }


@dataclass(frozen=True)
class GapClosed:
    """The share of the gap between a baseline and a reference that a method closes.

    Attributes:
        share: 0 at the baseline, 1 at the reference; None where the share is undefined.
        separated: whether the interval of reference - baseline lies above 0.
        difference: reference - baseline, in mean return.
        reason: why the share is undefined; None where it is defined.
    """

    share: Interval | None
    separated: bool
    difference: Interval
    reason: str | None = None

    def __str__(self) -> str:
        return f"undefined: {self.reason}" if self.share is None else str(self.share)

    def to_dict(self) -> dict[str, Any]:
        """The record for strict JSON."""
        return {
            "share": None if self.share is None else self.share.to_dict(),
            "separated": self.separated,
            "difference": self.difference.to_dict(),
            "reason": self.reason,
        }
