"""The finished policies of one algorithm in one environment, and comparisons of them.

Dimensions: R seeds, K contexts, M episodes of each.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from offctx.evaluation.report import ZeroShotReport
from offctx.evaluation.rule import best_nulls, returns_of_each_context, strongest_null
from offctx.evaluation.run import EvaluatedRun
from offctx.evaluation.statistics import GapClosed, Interval, difference, gap_closed, mean_interval
from tools.reproduce.cse.arms import BASELINE, NULL_CONTROLS, TITLES, UNTRAINED
from tools.reproduce.cse.settings import ALL, TRAIN, UNTRAINED_MODE, Environment, Floats, Learner
from tools.reproduce.frame.cells import Results

Runs = Mapping[int, ZeroShotReport]
"""Training seed -> the report of the policy; one report, at 0, where nothing was trained."""


@dataclass(frozen=True)
class AlgorithmResult:
    """The arms of one algorithm in one environment, as far as their cells are finished.

    Arms are compared on the seeds that they have in common. An untrained policy is the same for all seeds.

    Attributes:
        environment: where the policies were scored.
        mode: "offline" or "online".
        algorithm: its name in the environment's entry.
        runs: arm -> its runs, in the order of TITLES.
    """

    environment: Environment
    mode: str
    algorithm: str
    runs: Mapping[str, Runs]

    @property
    def title(self) -> str:
        """Such as "td3, offline"."""
        return f"{self.algorithm}, {self.mode}"

    @property
    def arms(self) -> list[str]:
        """The arms of which at least one run is finished."""
        return list(self.runs)

    @property
    def first(self) -> ZeroShotReport:
        """One report; contexts are the same in all."""
        return next(report for runs in self.runs.values() for report in runs.values())

    @property
    def sweeps(self) -> list[str]:
        """The splits beside c0."""
        return [split for split in self.first.splits if split != TRAIN]

    @property
    def regions(self) -> list[str]:
        """The sweeps and, where there are several, all of them together."""
        return [*self.sweeps, ALL] if len(self.sweeps) > 1 else self.sweeps

    @property
    def nulls(self) -> list[str]:
        """Baseline and null controls, as far as they are there."""
        return [arm for arm in (BASELINE, *NULL_CONTROLS) if arm in self.runs]

    @property
    def missing_nulls(self) -> list[str]:
        """The arms without a run of which every verdict needs one: baseline, null controls, and a policy that does nothing."""
        missing = [arm for arm in (BASELINE, "hidden", "jitter", "random") if arm not in self.runs]
        return missing if self.do_nothing is not None else [*missing, "zero"]

    @property
    def do_nothing(self) -> str | None:
        """The zero action, or the constant one where actions are discrete; None where it was not run."""
        return next((arm for arm in ("zero", "constant") if arm in self.runs), None)

    def seeds(self, *arms: str) -> list[int]:
        """The training seeds that all of these arms have; those of trained arms where some of them are untrained."""
        trained = [set(self.runs[arm]) for arm in arms if arm not in UNTRAINED]
        return sorted(set.intersection(*trained)) if trained else [0]

    def returns(self, arm: str, region: str, seeds: Iterable[int] | None = None) -> Floats:
        """(R, K, M) of an arm in a split, or in all sweeps (concatenated); (1, K, M) of an untrained arm."""
        runs = self.runs[arm]
        chosen = sorted(runs) if seeds is None or arm in UNTRAINED else list(seeds)
        splits = self.sweeps if region == ALL else [region]
        return np.stack([np.concatenate([runs[seed].returns[split] for split in splits]) for seed in chosen])

    def interval(self, arm: str, region: str) -> Interval:
        """The mean return over contexts, episodes and seeds, with its interval."""
        return mean_interval(self.returns(arm, region))

    def difference(self, arm: str, other: str, region: str) -> Interval | None:
        """Mean return of an arm minus that of another, jointly over their common seeds; None without such seeds."""
        seeds = self.seeds(arm, other)
        if not seeds:
            return None
        return difference(*(self.returns(name, region, seeds) for name in (arm, other)))

    def share(self, arm: str, start: str, reference: str, region: str) -> GapClosed | None:
        """The share of the gain from `start` to `reference` that an arm has; None where one of the three is missing."""
        names = (arm, start, reference)
        if not set(names) <= set(self.runs) or not (seeds := self.seeds(*names)):
            return None
        return gap_closed(*(self.returns(name, region, seeds) for name in names))

    def lead(self, arm: str, others: Sequence[str], region: str) -> Interval | None:
        """Mean return of an arm minus that of the best of the others in each context; None without common seeds."""
        chosen = best_nulls({other: self.returns(other, region) for other in others})
        seeds = self.seeds(arm, *set(chosen))
        if not seeds:
            return None
        best = returns_of_each_context({other: self.returns(other, region, seeds) for other in set(chosen)}, chosen)
        return difference(self.returns(arm, region, seeds), best)

    def best(self, arms: Iterable[str], region: str) -> str | None:
        """The arm with the highest mean return in a region; None where none of them was run."""
        returns = {arm: self.returns(arm, region) for arm in arms if arm in self.runs}
        return strongest_null(returns) if returns else None


def gather(environments: Sequence[Environment], results: Results) -> list[AlgorithmResult]:
    """The results of the policies that are finished, by algorithm; the untrained ones stand in each."""
    runs: dict[tuple[str, str, str], dict[str, dict[int, ZeroShotReport]]] = {}
    for cell, result in results.finished:
        learner = Learner.of(cell)
        if learner is not None:
            arms = runs.setdefault((learner.env, learner.mode, learner.algorithm), {})
            arms.setdefault(learner.method, {})[learner.seed] = ZeroShotReport.from_dict(result["report"])
    by_name = {environment.name: environment for environment in environments}
    gathered = []
    for (env, mode, algorithm), trained in runs.items():
        if mode != UNTRAINED_MODE:
            both = trained | runs.get((env, UNTRAINED_MODE, "none"), {})
            ordered = {arm: both[arm] for arm in TITLES if arm in both}
            gathered.append(AlgorithmResult(by_name[env], mode, algorithm, ordered))
    return gathered


def coordinate(report: EvaluatedRun, sweep: str) -> tuple[Floats, str, float]:
    """Where the contexts of a sweep stand on one axis (K,), the axis' label, and c0 on it; unit vectors by their angle."""
    rows, base = report.contexts[sweep], report.contexts[TRAIN][0]
    varying = np.flatnonzero((rows != base).any(axis=0))
    if len(varying) == 1:
        k = int(varying[0])
        unit = report.context_units[k]
        return rows[:, k], report.context_names[k] + (f" [{unit}]" if unit else ""), float(base[k])
    angles = np.degrees(np.arctan2(rows[:, 1], rows[:, 0])) % 360
    return angles, "angle [degrees]", 0.0
