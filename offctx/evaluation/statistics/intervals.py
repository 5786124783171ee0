"""Records: an estimate with its interval, and the share of a gap that a method closes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Over = Literal["seeds", "episodes", "seeds and episodes"]


_ROUNDING = 1e-12  # of the estimate: a narrower interval is the rounding of equal values


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval.

    ``str`` rounds it to two digits of the interval's width. Without an interval it shows the values of the seeds instead.

    Attributes:
        estimate: in units of the return, or a share without unit.
        low: lower bound, in the same unit. NaN where there is no interval: fewer than five seeds, or one episode of one agent.
        high: upper bound, as `low`.
        confidence: in (0, 1).
        over: what the interval is over: "seeds and episodes", the training seeds of the method and the evaluation episodes;
            "seeds", the training seeds alone, for the one start state that was played, or for scores that are no returns of
            episodes; "episodes", those of one agent, which say nothing about other seeds; None where there is no interval.
        values: the value of each seed (R,); empty where there is one run, or where arms with other seeds are compared.
    """

    estimate: float
    low: float
    high: float
    confidence: float = 0.95
    over: Over | None = None
    values: tuple[float, ...] = ()

    def __str__(self) -> str:
        if math.isnan(self.low) or math.isnan(self.high):
            return _with_values(self.estimate, self.values) if self.values else f"{self.estimate:.4g} [no interval]"
        width = self.high - self.low
        if not math.isfinite(width) or width <= _ROUNDING * abs(self.estimate):
            return f"{self.estimate:.4g} [{self.low:.4g}, {self.high:.4g}]"
        decimals = _decimals(width)
        return f"{self.estimate:.{decimals}f} [{self.low:.{decimals}f}, {self.high:.{decimals}f}]"

    def to_dict(self) -> dict[str, Any]:
        """The fields for strict JSON. A number that is NaN (unknown) or infinite becomes None."""
        return {
            "estimate": self.estimate,
            "low": _finite_or_none(self.low),
            "high": _finite_or_none(self.high),
            "confidence": self.confidence,
            "over": self.over,
            "values": [_finite_or_none(value) for value in self.values],
        }


@dataclass(frozen=True)
class GapClosed:
    """The share of the gap between a start and a reference that a method closes.

    Attributes:
        share: 0 at the start (in comparisons, the strongest of baseline and null controls), 1 at the reference; None where the
            share is undefined.
        separated: whether the interval of reference - start lies above 0.
        difference: reference - start, in mean return.
        reason: why the share is undefined; None where it is defined.
        seed_shares: the share of each seed (R,), NaN where reference - start of that seed is not above 0; empty where the
            three arms are not paired by seed.
    """

    share: Interval | None
    separated: bool
    difference: Interval
    reason: str | None = None
    seed_shares: tuple[float, ...] = ()

    def __str__(self) -> str:
        return f"undefined: {self.reason}" if self.share is None else str(self.share)

    def to_dict(self) -> dict[str, Any]:
        """The record for strict JSON."""
        return {
            "share": None if self.share is None else self.share.to_dict(),
            "separated": self.separated,
            "difference": self.difference.to_dict(),
            "reason": self.reason,
            "seed_shares": [_finite_or_none(share) for share in self.seed_shares],
        }


def _with_values(estimate: float, values: Sequence[float]) -> str:
    """An estimate with the values of the seeds, in two digits of their range."""
    width = max(values) - min(values)
    shown = [f"{value:.{_decimals(width)}f}" if 0 < width < math.inf else f"{value:.4g}" for value in (estimate, *values)]
    return f"{shown[0]} (seeds: {', '.join(shown[1:])})"


def _decimals(width: float) -> int:
    """How many decimals show two digits of a width above 0: more would be noise."""
    return min(max(1 - math.floor(math.log10(width)), 0), 9)


def _finite_or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
