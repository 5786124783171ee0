"""The finished runs of one task and one kind of data, and comparisons of methods.

Dimensions: R seeds, K contexts, M episodes of each.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offctx.evaluation.rule import over_seeds
from offctx.evaluation.statistics import GapClosed, Interval, bootstrap_interval, difference, gap_closed, mean_interval
from tools.reproduce.aib.cell import COLD, WARM
from tools.reproduce.aib.controls import CONTROL_KIND
from tools.reproduce.frame.cells import Result, Results

Floats = NDArray[np.float64]
SPLITS = ("train", "eval-in", "eval-out")
STARTS = (COLD, WARM)


@dataclass(frozen=True)
class Group:
    """The runs of one task and one kind of data, or online.

    Attributes:
        task: its name.
        kind: of the data, or "online".
        runs: method -> seed -> the stored result.
        controls: what needs no training -> split -> returns (K, M).
    """

    task: str
    kind: str
    runs: Mapping[str, Mapping[int, Result]]
    controls: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def starts(self, method: str) -> tuple[str, ...]:
        """Cold, and warm where the method infers the context."""
        return tuple(start for start in STARTS if start in next(iter(self.runs[method].values()))["returns"])

    def start(self, method: str, start: str) -> str:
        """The start that is compared: a method without a memory plays alike after both."""
        return start if start in self.starts(method) else COLD

    def seeds(self, *methods: str) -> list[int]:
        """The seeds that all of these methods have."""
        return sorted(set.intersection(*(set(self.runs.get(method, {})) for method in methods)))

    def returns(self, method: str, start: str, split: str, seeds: list[int] | None = None) -> Floats:
        """(R, K, M)."""
        chosen = self.seeds(method) if seeds is None else seeds
        return np.array([self.runs[method][seed]["returns"][self.start(method, start)][split] for seed in chosen])

    def mean(self, method: str, start: str, split: str) -> Interval:
        """The average episode return (AER) with its interval."""
        return mean_interval(self.returns(method, start, split))

    def iqm(self, method: str, start: str, split: str) -> Interval:
        """The interquartile mean with its interval."""
        return bootstrap_interval(self.returns(method, start, split), "iqm", rng=np.random.default_rng(0))

    def difference(self, method: str, other: str, start: str, split: str) -> Interval | None:
        """AER of a method minus that of another, paired over their common seeds; None without such seeds."""
        if not (seeds := self.seeds(method, other)):
            return None
        return difference(*(self.returns(name, start, split, seeds) for name in (method, other)))

    def share(self, method: str, blind: str, ceiling: str, start: str, split: str) -> GapClosed | None:
        """The share of the ceiling's gain over the blind learner that a method has; None without common seeds."""
        if not (seeds := self.seeds(method, blind, ceiling)):
            return None
        return gap_closed(*(self.returns(name, start, split, seeds) for name in (method, blind, ceiling)))

    def control(self, split: str) -> float | None:
        """The AER of the best control; None where none was played."""
        return max((float(np.mean(returns[split])) for returns in self.controls.values()), default=None)

    def control_mean(self, control: str, split: str) -> Interval:
        """The AER of a control with its interval over episodes."""
        return mean_interval(np.array([self.controls[control][split]]))

    def over_control(self, method: str, control: str, start: str, split: str) -> Interval:
        """AER of a method minus that of a control, paired by contexts and start states."""
        returns = self.returns(method, start, split)
        return difference(returns, np.broadcast_to(self.controls[control][split], returns.shape))

    def learned(self, method: str) -> bool | None:
        """Whether a method is above every control in its training contexts, warm; None without controls or five seeds."""
        gains = [self.over_control(method, control, WARM, "train") for control in self.controls]
        if not all(map(over_seeds, gains)):
            return None
        return all(gain.low > 0 for gain in gains) if gains else None

    def adaptation(self, method: str, split: str) -> dict[int, Interval]:
        """The AER by the number of transitions seen before the episode; empty for a method without memory."""
        runs = [result["adaptation"] for result in self.runs[method].values() if "adaptation" in result]
        seen = sorted(map(int, runs[0])) if runs else []
        return {n: mean_interval(np.array([run[str(n)][split] for run in runs])[..., None]) for n in seen}

    def leakage(self, method: str) -> list[dict[str, Any]]:
        """The leakage report of each seed."""
        return [result["leakage"] for _, result in sorted(self.runs[method].items()) if "leakage" in result]

    @property
    def updates(self) -> int:
        """Of each learner; the same in all runs of a group."""
        return int(next(result["settings"]["updates"] for of in self.runs.values() for result in of.values()))

    @property
    def behaviour(self) -> float | None:
        """The mean return of the data, over all finished runs; None online."""
        returns = [result["behaviour"] for of in self.runs.values() for result in of.values() if "behaviour" in result]
        return float(np.mean(returns)) if returns else None


def gather(results: Results) -> list[Group]:
    """The finished runs by task and kind, in the order of the cells."""
    runs: dict[tuple[str, str], dict[str, dict[int, Result]]] = {}
    controls: dict[str, Mapping[str, Any]] = {}
    for cell, result in results.finished:
        task, kind, method, seed = str(cell.key[0]), str(cell.key[1]), str(cell.key[2]), int(cell.key[3])
        if kind == CONTROL_KIND:
            controls[task] = result["returns"]
        else:
            runs.setdefault((task, kind), {}).setdefault(method, {})[seed] = result
    return [Group(task, kind, methods, controls.get(task, {})) for (task, kind), methods in runs.items()]
