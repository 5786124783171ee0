"""What the cells of one algorithm in one environment say.

Dimensions: R seeds, K contexts, M episodes of each, p context.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from offctx.evaluation.compare import compare
from offctx.evaluation.report import Comparison, ZeroShotReport
from offctx.evaluation.run import EvaluatedRun
from offctx.evaluation.statistics import GapClosed, Interval, bootstrap_interval, gap_closed
from tools.reproduce.cse.arms import BASELINE, REFERENCES, TITLES
from tools.reproduce.cse.settings import ALL, TRAIN, UNTRAINED_MODE, Environment, Floats, Learner
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
    def regions(self) -> list[str]:
        """The sweeps, and all sweeps together."""
        return [*self.sweeps, ALL]

    def returns(self, method: str, region: str) -> Floats:
        """(R, K, M) of a method in a split, or in all sweeps (concatenated)."""
        splits = self.sweeps if region == ALL else [region]
        return np.concatenate([self.comparison.returns(method, split) for split in splits], axis=1)

    def mean(self, method: str, region: str) -> str:
        """The mean return with its interval."""
        return "" if method not in self.comparison.methods else str(self.interval(method, region))

    def interval(self, method: str, region: str) -> Interval:
        """The mean return over contexts, episodes and seeds with its bootstrap interval over seeds."""
        return bootstrap_interval(self.returns(method, region), "mean", rng=np.random.default_rng(0))

    def closed(self, method: str, region: str, reference: str = REFERENCES[0]) -> GapClosed | None:
        """The share of the gap from baseline to reference that a method closes; None where one of the three is missing."""
        if not {method, BASELINE, reference} <= set(self.comparison.methods):
            return None
        arrays = [self.returns(name, region) for name in (method, BASELINE, reference)]
        return gap_closed(*arrays)


def learners_only(results: Results) -> Results:
    """The results of learners, without those of other cells."""
    finished = [(cell, result) for cell, result in results.finished if Learner.of(cell)]
    return Results(finished, [cell for cell in results.missing if Learner.of(cell)])


def gather(environments: Sequence[Environment], results: Results) -> list[AlgorithmResult]:
    """The results of the policies that are finished, by algorithm; the untrained ones stand in each."""
    by_algorithm: dict[tuple[str, str, str], dict[str, list[Result]]] = {}
    for cell, result in results.finished:
        learner = Learner.of(cell)
        if learner is not None:
            by_method = by_algorithm.setdefault((learner.env, learner.mode, learner.algorithm), {})
            by_method.setdefault(learner.method, []).append(result)
    by_name = {environment.name: environment for environment in environments}
    return [
        _algorithm_result(
            by_name[env], mode, algorithm, _in_order(methods, by_algorithm.get((env, UNTRAINED_MODE, "none"), {}))
        )
        for (env, mode, algorithm), methods in by_algorithm.items()
        if mode != UNTRAINED_MODE
    ]


def _in_order(methods: Mapping[str, list[Result]], untrained: Mapping[str, list[Result]]) -> dict[str, list[Result]]:
    """Trained and untrained arms in the order of TITLES."""
    both = {**methods, **untrained}
    return {arm: both[arm] for arm in TITLES if arm in both}


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
        compare(reports, controls=False),  # the experiment plays its own, as cells
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
