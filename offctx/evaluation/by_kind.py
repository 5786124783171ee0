"""Returns grouped by what the context changes: the dynamics, the reward, the observation, or several of these.

A coordinate of a context counts as changed where no training context has its value. A context belongs to the group of all kinds
that its changed coordinates are declared to have.

Dimensions: R training runs, K contexts of a group, M episodes per context, p context coordinates.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from offctx.contexts.kinds import NOT_DECLARED, in_order
from offctx.evaluation.comparison import ComparedRuns
from offctx.evaluation.statistics import Array, Interval, mean_interval

AS_IN_TRAINING = ()


@dataclass(frozen=True)
class KindRow:
    """One method in the contexts that change the same.

    Attributes:
        changes: the kinds that are changed, with "not declared" among them where a coordinate without kinds is changed; ()
            for contexts whose coordinates have values of the training contexts.
        method: its name.
        contexts: how many distinct contexts, over all splits.
        aer: the average episode return in them.
        gap: the return in contexts as in training minus this one; None in that group, or where there is none.
    """

    changes: tuple[str, ...]
    method: str
    contexts: int
    aer: Interval
    gap: float | None

    def to_dict(self) -> dict[str, Any]:
        """The row for strict JSON."""
        return vars(self) | {"changes": list(self.changes), "aer": self.aer.to_dict()}


def kind_rows(runs: ComparedRuns) -> list[KindRow]:
    """One row for each group and method, contexts as in training first; none where this tells nothing.

    It tells nothing where no kinds are declared, where there are fewer than two groups, or where splits have different numbers
    of episodes.
    """
    if not any(runs.first.context_kinds):
        return []
    groups = _groups(runs)
    episodes = {returns.shape[1] for returns in runs.first.returns.values()}
    if len(groups) < 2 or len(episodes) > 1:
        return []
    rows = []
    for method in runs.methods:
        returns = np.concatenate([runs.returns(method, split) for split in runs.splits], axis=1)  # (R, all contexts, M)
        aers = {changes: mean_interval(returns[:, index], confidence=runs.confidence) for changes, index in groups.items()}
        start = aers.get(AS_IN_TRAINING)
        for changes, aer in aers.items():
            gap = None if start is None or changes == AS_IN_TRAINING else start.estimate - aer.estimate
            rows.append(KindRow(changes, method, len(groups[changes]), aer, gap))
    order = list(groups)
    return sorted(rows, key=lambda row: order.index(row.changes))


def _groups(runs: ComparedRuns) -> dict[tuple[str, ...], Array]:
    """From what is changed to the indices of distinct contexts among those of all splits, one split after the other."""
    contexts = np.concatenate([runs.first.contexts[split] for split in runs.splits])
    _, first = np.unique(contexts, axis=0, return_index=True)
    distinct = np.sort(first)
    trained_values = [np.isin(column, trained) for column, trained in zip(contexts.T, runs.train_contexts.T, strict=True)]
    groups: dict[tuple[str, ...], list[int]] = {}
    for i in distinct.tolist():
        changed = [k for k, as_trained in enumerate(trained_values) if not as_trained[i]]
        groups.setdefault(_changes(runs, changed), []).append(i)
    return {changes: np.array(groups[changes]) for changes in sorted(groups, key=lambda changes: (len(changes), changes))}


def _changes(runs: ComparedRuns, coordinates: list[int]) -> tuple[str, ...]:
    """What some coordinates change together."""
    kinds = [runs.first.context_kinds[k] for k in coordinates]
    undeclared = (NOT_DECLARED,) if any(not each for each in kinds) else ()
    return (*in_order(kind for each in kinds for kind in each), *undeclared)
