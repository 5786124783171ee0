"""What the cells of one algorithm in one environment say.

Dimensions: R seeds, K contexts, M episodes of each, p context.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offctx.evaluation.report import Comparison, ZeroShotReport, compare
from offctx.evaluation.run import EvaluatedRun
from offctx.evaluation.statistics import GapClosed, Interval, bootstrap_interval, gap_closed
from tools.reproduce.cse.settings import ALL, BASELINE, METHODS, REFERENCE, TRAIN, Environment, Floats, Learner
from tools.reproduce.frame.cells import Result, Results


@dataclass(frozen=True)
class AlgorithmResult:
    """The methods of one algorithm in one environment, as far as their cells are finished."""

    environment: Environment
    mode: str
    algorithm: str
    comparison: Comparison
    seconds: float

    @property
    def title(self) -> str:
        """Such as "td3, offline"."""
        return f"{self.algorithm}, {self.mode}"

    @property
    def sweeps(self) -> list[str]:
        """The splits beside c0."""
        return [split for split in self.comparison.splits if split != TRAIN]

    @property
    def sides(self) -> dict[str, tuple[str, NDArray[np.bool_]]]:
        """The parts of sweeps below and above c0, where the verdict needs them: the split and which of its contexts (K,)."""
        sides: dict[str, tuple[str, NDArray[np.bool_]]] = {}
        if self.environment.threshold is None:
            for sweep in self.sweeps:
                at, label, base = coordinate(self.comparison.first, sweep)
                name = label.split(" [", maxsplit=1)[0]
                parts = {f"{name} below c0": at < base, f"{name} above c0": at > base}
                sides |= {part: (sweep, mask) for part, mask in parts.items() if mask.any()}
        return sides

    @property
    def regions(self) -> list[str]:
        """The sweeps, their sides where the verdict needs them, and all sweeps together."""
        return [*self.sweeps, *self.sides, ALL]

    def returns(self, method: str, region: str) -> Floats:
        """(R, K, M) of a method in a split, in a side of it, or in all sweeps (concatenated)."""
        if region in self.sides:
            sweep, mask = self.sides[region]
            return self.comparison.returns(method, sweep)[:, mask]
        splits = self.sweeps if region == ALL else [region]
        return np.concatenate([self.comparison.returns(method, split) for split in splits], axis=1)

    def mean(self, method: str, region: str) -> str:
        """The mean return with its interval."""
        return "" if method not in self.comparison.methods else str(self.interval(method, region))

    def interval(self, method: str, region: str) -> Interval:
        """The mean return over contexts, episodes and seeds with its bootstrap interval over seeds."""
        return bootstrap_interval(self.returns(method, region), "mean", rng=np.random.default_rng(0))

    def closed(self, method: str, region: str) -> GapClosed | None:
        """The share of the gap that a method closes; None where baseline, LDR or the method are missing."""
        if not {method, BASELINE, REFERENCE} <= set(self.comparison.methods):
            return None
        arrays = [self.returns(name, region) for name in (method, BASELINE, REFERENCE)]
        return gap_closed(*arrays, rng=np.random.default_rng(0))

    def separated(self, method: str) -> list[str]:
        """The sides of sweeps in which the interval of a method lies above the baseline's."""
        return [side for side in self.sides if self.interval(method, side).low > self.interval(BASELINE, side).high]


def learners_only(results: Results) -> Results:
    """The results of learners, without those of other cells."""
    finished = [(cell, result) for cell, result in results.finished if Learner.of(cell)]
    return Results(finished, [cell for cell in results.missing if Learner.of(cell)])


def gather(environments: Sequence[Environment], results: Results) -> list[AlgorithmResult]:
    """The results of the learners that are finished, by algorithm."""
    by_algorithm: dict[tuple[str, str, str], dict[str, list[Result]]] = {}
    for cell, result in results.finished:
        learner = Learner.of(cell)
        if learner is not None:
            by_method = by_algorithm.setdefault((learner.env, learner.mode, learner.algorithm), {})
            by_method.setdefault(learner.method, []).append(result)
    by_name = {environment.name: environment for environment in environments}
    return [
        _algorithm_result(by_name[env], mode, algorithm, {m: methods[m] for m in METHODS if m in methods})
        for (env, mode, algorithm), methods in by_algorithm.items()
    ]


def _algorithm_result(
    environment: Environment, mode: str, algorithm: str, methods: Mapping[str, Sequence[Result]]
) -> AlgorithmResult:
    """The runs of each method, compared."""
    runs = [run for results in methods.values() for run in results]
    reports = {method: [ZeroShotReport.from_dict(run["report"]) for run in results] for method, results in methods.items()}
    return AlgorithmResult(
        environment,
        mode,
        algorithm,
        compare(reports),
        seconds=sum(run["seconds"] for run in runs),
    )


def coordinate(report: EvaluatedRun, sweep: str) -> tuple[Floats, str, float]:
    """Where the contexts of a sweep stand on one axis (K,), the axis' label, and c0 on it; unit vectors by their angle."""
    rows, base = report.contexts[sweep], report.contexts[TRAIN][0]
    varying = np.flatnonzero(np.ptp(rows, axis=0) > 0)
    if len(varying) == 1:
        k = int(varying[0])
        unit = report.context_units[k]
        return rows[:, k], report.context_names[k] + (f" [{unit}]" if unit else ""), float(base[k])
    angles = np.degrees(np.arctan2(rows[:, 1], rows[:, 0])) % 360
    return angles, "angle [degrees]", 0.0
