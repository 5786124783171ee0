"""Computes ratios and targets from race times. Does not import the raced libraries."""

import statistics
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class RaceResult:
    """The times of a race with its target.

    Attributes:
        name: of the race.
        what: what was timed, on which data, and how ours and the peer differ.
        ours: one time per repetition.
        peer: the same for the peer.
        target: the smallest acceptable ratio; where `percent`, the largest acceptable cost in percent.
        unit: of the times.
        percent: compare the cost 100 * ours / peer with the target, instead of the speed-up peer / ours.
    """

    name: str
    what: str
    ours: list[float]
    peer: list[float]
    target: float
    unit: str = "s"
    percent: bool = False

    @property
    def ratio(self) -> float:
        """Median time of the peer over ours."""
        return statistics.median(self.peer) / statistics.median(self.ours)

    @property
    def result(self) -> float:
        """The number that is compared with the target: the ratio, or the cost in percent."""
        return 100 * statistics.median(self.ours) / statistics.median(self.peer) if self.percent else self.ratio

    @property
    def met(self) -> bool:
        """Whether the target is reached."""
        return self.result <= self.target if self.percent else self.result >= self.target

    def to_dict(self) -> dict[str, Any]:
        """The attributes, the medians and the properties, ready for JSON."""
        medians = {"ours_median": statistics.median(self.ours), "peer_median": statistics.median(self.peer)}
        return asdict(self) | medians | {"ratio": self.ratio, "result": self.result, "met": self.met}

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> "RaceResult":
        """The result that `to_dict` wrote; what follows from the times is computed again."""
        return cls(**{name: record[name] for name in cls.__dataclass_fields__})
