"""What a race is, and what it measures."""

from collections.abc import Callable
from dataclasses import dataclass

from tools.benchmark.bench import Bench
from tools.benchmark.result import RaceResult


@dataclass(frozen=True)
class Measurement:
    """The times of one race.

    Attributes:
        what: what was timed, on which data, and how ours and the peer differ; one sentence without its full stop.
        ours: one time per repetition.
        peer: the same for the peer.
    """

    what: str
    ours: list[float]
    peer: list[float]


@dataclass(frozen=True)
class Race:
    """A comparison of offctx with a peer.

    Attributes:
        name: what `--only` and the report call it.
        measure: does the work and returns the times.
        target: the smallest acceptable ratio; where `percent`, the largest acceptable cost in percent.
        percent: compare the cost 100 * ours / peer with the target, instead of the speed-up peer / ours.
        unit: of the times.
    """

    name: str
    measure: Callable[[Bench], Measurement]
    target: float
    percent: bool = False
    unit: str = "s"

    def run(self, bench: Bench) -> RaceResult:
        """Measure, and compare with the target."""
        times = self.measure(bench)
        return RaceResult(self.name, times.what, times.ours, times.peer, self.target, self.unit, self.percent)
