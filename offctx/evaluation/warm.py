"""The numbers of methods after warm-ups: mean returns, what is gained over the cold start, rewards by time step.

Dimensions: R training runs, K contexts of a split, M episodes per context, B bins of time steps.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from offctx.evaluation.adaptation import COLD, Adaptation, MemoryKind
from offctx.evaluation.comparison import ComparedRuns
from offctx.evaluation.statistics import Array, Interval, context_intervals, difference, mean_interval


@dataclass(frozen=True)
class WarmRow:
    """One method in one split after one warm-up.

    Attributes:
        method: its name.
        split: its name.
        seen: transitions seen in the context before the scored episode; 0 for the cold start.
        memory: how long the method remembers; not "context": this row is the cold one.
        aer: the average episode return.
        gain: `aer` minus that of the cold start, paired by training seed or episode; None where it is 0 by definition.
    """

    method: str
    split: str
    seen: int
    memory: MemoryKind
    aer: Interval
    gain: Interval | None

    def to_dict(self) -> dict[str, Any]:
        """The row for strict JSON."""
        return vars(self) | {"aer": self.aer.to_dict(), "gain": None if self.gain is None else self.gain.to_dict()}


def has_warm_ups(runs: ComparedRuns) -> bool:
    """Whether a method was scored with warm-ups."""
    return bool(warmed_methods(runs))


def warmed_methods(runs: ComparedRuns) -> dict[str, tuple[Adaptation, ...]]:
    """method -> the adaptation of each of its runs, for the methods that were scored with warm-ups."""
    each = {
        name: tuple(run.adaptation for run in method if run.adaptation is not None) for name, method in runs.methods.items()
    }
    return {name: adaptations for name, adaptations in each.items() if adaptations}


def adapting_methods(runs: ComparedRuns) -> list[str]:
    """The methods to which a warm-up can make a difference."""
    return [name for name, adaptations in warmed_methods(runs).items() if any(each.adapts for each in adaptations)]


def warm_rows(runs: ComparedRuns) -> list[WarmRow]:
    """One row for each split, method and number of transitions seen; one alone, the cold one, where a warm-up cannot matter."""
    adapting = adapting_methods(runs)
    return [
        _row(runs, adaptations, method, split, seen)
        for split in runs.splits
        for method, adaptations in warmed_methods(runs).items()
        for seen in (adaptations[0].seen if method in adapting else (COLD,))
    ]


def _row(runs: ComparedRuns, adaptations: tuple[Adaptation, ...], method: str, split: str, seen: int) -> WarmRow:
    cold, warm = (np.stack([each.returns[number][split] for each in adaptations]) for number in (COLD, seen))
    return WarmRow(
        method,
        split,
        seen,
        next((each.memory for each in adaptations if each.adapts), adaptations[0].memory),
        aer=mean_interval(warm, confidence=runs.confidence),
        gain=None if seen == COLD else difference(warm, cold, confidence=runs.confidence),
    )


def rewards_by_step(runs: ComparedRuns, method: str, split: str, seen: int) -> tuple[Array, Array, Array]:
    """The mean reward per step in each bin of time steps of the scored episode, over runs, contexts and episodes.

    Args:
        runs: of the comparison.
        method: its name.
        split: its name.
        seen: transitions seen before the episode.

    Returns:
        estimate (B,), low (B,), high (B,); the intervals are over seeds or episodes as those of mean returns, each holds for
        its bin alone.
    """
    rewards = np.stack([each.rewards[seen][split] for each in warmed_methods(runs)[method]])  # (R, B, M)
    return context_intervals(rewards, confidence=runs.confidence)
