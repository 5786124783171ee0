"""What the cells of one study measured: numbers by seed, their means, and differences within seeds.

Means are over seeds (of contexts, data, networks and batches), with 95 % percentile bootstrap intervals over seeds. Methods
on the same data have the same contexts and datasets seed by seed, so that differences are taken within seeds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from offctx.evaluation.statistics import Interval, bootstrap_interval
from tools.reproduce.frame.cells import Result, Results
from tools.reproduce.perm.cell import UNSEEN
from tools.reproduce.perm.data import DataSettings

Measure = Callable[[Result], float]
"""Reads one number from the result of a cell."""

BySeed = Mapping[int, float]
"""Seed -> number."""


def aer(split: str = UNSEEN, policy: str = "mode") -> Measure:
    """The mean return over the contexts of a split."""
    return lambda result: float(np.mean(result["returns"][policy][split]))


@dataclass(frozen=True)
class StudyResults:
    """The finished cells of one study.

    Attributes:
        cells: data and method -> seed -> result.
    """

    cells: Mapping[tuple[str, str], Mapping[int, Result]]

    @classmethod
    def of(cls, study: str, results: Results) -> "StudyResults":
        """The results of a study, by its name."""
        cells: dict[tuple[str, str], dict[int, Result]] = {}
        for cell, result in results.finished:
            name, data, method, seed = cell.key
            if name == study:
                cells.setdefault((str(data), str(method)), {})[int(seed)] = result
        return cls(cells)

    @property
    def seeds(self) -> list[int]:
        """All seeds with a finished cell."""
        return sorted({seed for by_seed in self.cells.values() for seed in by_seed})

    def by_seed(self, data: DataSettings, method: str, measure: Measure) -> dict[int, float]:
        """A number for each seed; empty where no cell is finished."""
        return {seed: measure(result) for seed, result in self.cells.get((str(data), method), {}).items()}

    def interval(self, data: DataSettings, method: str, measure: Measure) -> Interval | None:
        """The mean over seeds; None where no cell is finished."""
        return mean_interval(self.by_seed(data, method, measure))


def mean_interval(by_seed: BySeed) -> Interval | None:
    """The mean over seeds with its bootstrap interval; None without seeds."""
    if not by_seed:
        return None
    return bootstrap_interval(np.array(list(by_seed.values()))[:, None, None], "mean", rng=np.random.default_rng(0))


def difference(first: BySeed, second: BySeed) -> Interval | None:
    """The mean of first - second within seeds; None where no seed is in both."""
    return mean_interval({seed: first[seed] - second[seed] for seed in first if seed in second})


def interval_text(interval: Interval | None) -> str:
    """An interval in a table; empty where it is unknown."""
    return "" if interval is None else str(interval)


def is_above(first: Interval | None, second: Interval | None) -> bool | None:
    """Whether the first interval lies above the second; None where one of them is unknown."""
    if first is None or second is None or not np.isfinite([first.low, second.high]).all():
        return None
    return first.low > second.high
