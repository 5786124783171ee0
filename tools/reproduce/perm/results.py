"""What the cells of one study measured: numbers by seed, their means, and differences within seeds.

Means are over seeds (of contexts, data, networks and batches), with 95 % intervals over seeds (`offctx.evaluation.statistics`).
Methods on the same data have the same contexts and datasets seed by seed, so that differences are taken within seeds, and
shares of gaps are joint. With fewer than five seeds there is no interval.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from offctx.evaluation import statistics
from offctx.evaluation.statistics import GapClosed, Interval
from tools.reproduce.frame.cells import Result, Results
from tools.reproduce.perm.cell import CONTROLS, RANDOM, TRAIN, UNSEEN, ZERO
from tools.reproduce.perm.data import DataSettings

Measure = Callable[[Result], float]
"""Reads one number from the result of a cell."""

BySeed = Mapping[int, float]
"""Seed -> number."""

NULLS = (ZERO, RANDOM)
"""Policies that have not seen data."""

_Cells = Mapping[tuple[str, str], Mapping[int, Result]]


def aer(split: str = UNSEEN, policy: str = "mode") -> Measure:
    """The mean return over the contexts of a split."""
    return lambda result: float(np.mean(result["returns"][policy][split]))


def control_data(data: DataSettings) -> DataSettings:
    """The same contexts without data: the controls of all arrangements are the same."""
    return replace(data, arrangement="any", share=1.0, noise=1.0)


@dataclass(frozen=True)
class StudyResults:
    """The finished cells of one study.

    Attributes:
        cells: data and method -> seed -> result.
        shared_controls: data and method -> seed -> result, of the study "controls".
    """

    cells: _Cells
    shared_controls: _Cells = field(default_factory=dict)

    @classmethod
    def of(cls, study: str, results: Results) -> "StudyResults":
        """The results of a study, by its name."""
        return cls(_cells_of(study, results), _cells_of(CONTROLS, results))

    @property
    def seeds(self) -> list[int]:
        """All seeds with a finished cell."""
        return sorted({seed for by_seed in self.cells.values() for seed in by_seed})

    def by_seed(self, data: DataSettings, method: str, measure: Measure) -> dict[int, float]:
        """A number for each seed; empty where no cell is finished."""
        return {seed: measure(result) for seed, result in self.cells.get((str(data), method), {}).items()}

    def aer(self, data: DataSettings, method: str, split: str = UNSEEN, policy: str = "mode") -> dict[int, float]:
        """The mean return over the contexts of a split for each seed, of a method or of a control ("zero", "random")."""
        if method not in NULLS:
            return self.by_seed(data, method, aer(split, policy))
        controls = self._controls(data)
        seeds = {seed for (name, _), by_seed in self.cells.items() if name == str(data) for seed in by_seed}
        scored = {seed: result for seed, result in controls.items() if seed in seeds and method in result["returns"]}
        return {seed: aer(split, method)(result) for seed, result in scored.items()}

    def _controls(self, data: DataSettings) -> Mapping[int, Result]:
        """Seed -> result of the controls: of the study itself, with or without data, or of the study "controls"."""
        names = (str(data), CONTROLS), (str(control_data(data)), CONTROLS)
        own = [self.cells[name] for name in names if name in self.cells]
        return own[0] if own else self.shared_controls.get(names[1], {})

    def interval(self, data: DataSettings, method: str, measure: Measure) -> Interval | None:
        """The mean over seeds; None where no cell is finished."""
        return mean_interval(self.by_seed(data, method, measure))

    def learned(self, data: DataSettings, method: str, policy: str = "mode") -> bool | None:
        """Whether a method is above zero and random actions in its training contexts; None where that is unknown.

        Discrete actions have no zero: there, random actions alone are the bar.
        """
        scores = self.aer(data, method, TRAIN, policy)
        above = [gain for null in NULLS if (gain := difference(scores, self.aer(data, null, TRAIN))) is not None]
        return None if not above or any(np.isnan(gain.low) for gain in above) else all(gain.low > 0 for gain in above)

    def best(self, data: DataSettings, methods: Iterable[str]) -> str | None:
        """The method or control with the highest mean AER on unseen contexts; None where one of them is missing."""
        means = {name: mean_interval(self.aer(data, name)) for name in methods}
        if not means or None in means.values():
            return None
        return max(means, key=lambda name: means[name].estimate)  # type: ignore[union-attr]  # none is None


def _cells_of(study: str, results: Results) -> _Cells:
    cells: dict[tuple[str, str], dict[int, Result]] = {}
    for cell, result in results.finished:
        name, data, method, seed = cell.key
        if name == study:
            cells.setdefault((str(data), str(method)), {})[int(seed)] = result
    return cells


def mean_interval(by_seed: BySeed) -> Interval | None:
    """The mean over seeds with its interval; None without seeds."""
    return statistics.mean_interval(_runs(by_seed, by_seed)) if by_seed else None


def difference(first: BySeed, second: BySeed) -> Interval | None:
    """The mean of first - second within seeds; None where no seed is in both."""
    return mean_interval({seed: first[seed] - second[seed] for seed in first if seed in second})


def gap_closed(method: BySeed, baseline: BySeed, reference: BySeed) -> GapClosed | None:
    """The share of the gap from baseline to reference that a method closes, joint over seeds; None where no seed is in all."""
    seeds = [seed for seed in method if seed in baseline and seed in reference]
    return statistics.gap_closed(*(_runs(scores, seeds) for scores in (method, baseline, reference))) if seeds else None


def _runs(by_seed: BySeed, seeds: Iterable[int]) -> NDArray[np.float64]:
    """Returns (R, 1, 1), one run for each seed."""
    return np.array([by_seed[seed] for seed in seeds])[:, None, None]


def interval_text(interval: Interval | None) -> str:
    """An interval in a table; empty where it is unknown."""
    return "" if interval is None else str(interval)
