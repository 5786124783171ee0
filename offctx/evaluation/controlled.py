"""Compared runs with their null controls and references: what is a null, which are missing, where shares start."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from offctx.errors import EvaluationError
from offctx.evaluation.arms import NULL_CONTROLS, REFERENCES, is_fixed, looks_like_null_control, names_of
from offctx.evaluation.comparison import ComparedRuns
from offctx.evaluation.fields import lookup
from offctx.evaluation.rule import strongest_null
from offctx.evaluation.run import TRAIN, EvaluatedRun
from offctx.evaluation.statistics import GapClosed, gap_closed
from offctx.evaluation.summary import SummaryRow


@dataclass(frozen=True, eq=False, repr=False)
class ControlledRuns(ComparedRuns):
    """Compared runs with null controls, and the shares of a reference's gain over the strongest of them.

    Attributes:
        controls: methods that are null controls besides those that are recognised by their names.
        controls_note: which null controls were left out or cut short, in a sentence; "" where none was.
    """

    controls: tuple[str, ...] = ()
    controls_note: str = ""

    @property
    def null_controls(self) -> tuple[str, ...]:
        """The methods that are null controls, the baseline apart."""
        named = {*names_of(self.methods, NULL_CONTROLS), *self.controls} - {self.baseline, self.reference}
        return tuple(method for method in self.methods if method in named)

    @property
    def nulls(self) -> tuple[str, ...]:
        """What a method is judged against: the baseline and the null controls."""
        return (*([] if self.baseline is None else [self.baseline]), *self.null_controls)

    @property
    def references(self) -> tuple[str, ...]:
        """The methods that were given more than the others: the reference first."""
        named = [method for method in names_of(self.methods, REFERENCES) if method != self.baseline]
        return tuple(dict.fromkeys([*([] if self.reference is None else [self.reference]), *named]))

    @property
    def missing_controls(self) -> tuple[str, ...]:
        """The titles of null controls that are not among the methods; the constant action stands for the zero action."""
        kinds = (["hidden"], ["jitter"], ["zero", "constant"], ["random"])
        return tuple(NULL_CONTROLS[kind[0]] for kind in kinds if not names_of(self.methods, kind))

    @property
    def unrecognised_controls(self) -> tuple[str, ...]:
        """The methods whose names look like those of null controls, and that are judged as methods."""
        control_names = {*self.nulls, *self.references}
        return tuple(method for method in self.methods if method not in control_names and looks_like_null_control(method))

    @cached_property
    def repeated(self) -> Mapping[str, tuple[tuple[int, ...], ...]]:
        """method -> groups of its runs with identical returns, which are no independent seeds; without untrained controls."""
        groups_by_method = {method: _identical(runs) for method, runs in self.methods.items() if not is_fixed(method)}
        return {method: groups for method, groups in groups_by_method.items() if groups}

    def distinct_runs(self, method: str) -> int:
        """How many runs of a method differ from each other: runs with identical returns count once."""
        return len(self.methods[method]) - sum(len(group) - 1 for group in self.repeated.get(method, ()))

    def start(self, split: str) -> str | None:
        """Returns the method at which shares start in a split: of baseline and null controls, the one with the highest mean.

        Args:
            split: its name.

        Returns:
            its name, or None where there is neither a baseline nor a null control.

        Raises:
            EvaluationError: no such split.
        """
        lookup(self.first.returns, split, "split")
        return strongest_null({null: self.returns(null, split) for null in self.nulls}) if self.nulls else None

    def share(self, method: str, reference: str, split: str) -> GapClosed:
        """Returns the share of a reference's gain that a method has in a split: 0 at `start`, 1 at the reference.

        Args:
            method: its name.
            reference: the name of the reference.
            split: its name.

        Returns:
            the share, or why it is undefined.

        Raises:
            EvaluationError: no such methods or split, or neither a baseline nor a null control.
        """
        start = self.start(split)
        if start is None:
            raise EvaluationError("expected a comparison with a baseline or a null control, found one without")
        arms = (self.returns(name, split) for name in (method, start, reference))
        return gap_closed(*arms, confidence=self.confidence)

    def gap_closed(self, method: str, split: str) -> GapClosed:
        """Returns the share of the reference's gain over the strongest of baseline and null controls, as `share`.

        Args:
            method: its name.
            split: its name.

        Returns:
            the share, or why it is undefined.

        Raises:
            EvaluationError: no such method or split, or no baseline and reference.
        """
        if self.baseline is None or self.reference is None:
            raise EvaluationError("expected a comparison with a baseline and a reference, found one without")
        return self.share(method, self.reference, split)

    @cached_property
    def rows(self) -> tuple[SummaryRow, ...]:
        """The summary, one row per split and method."""
        return tuple(self._row(method, split) for split in self.splits for method in self.methods)

    def summary(self) -> list[dict[str, Any]]:
        """Returns the summary for strict JSON.

        Returns:
            One row per split and method with the keys of `SummaryRow`: method, split, runs (R), contexts (K), episodes (M, per
            context and run), aer and iqm (dicts of `Interval`), worst_context (name -> value), worst_return, gap (AER of
            "train" minus AER of the split; None without a split "train"), gap_closed (dict of `GapClosed`; None for baseline,
            null controls and reference, or without a reference).
        """
        return [row.to_dict() for row in self.rows]

    def _row(self, method: str, split: str) -> SummaryRow:
        returns = self.returns(method, split)
        means = returns.mean(axis=(0, 2))
        worst = self.first.contexts[split][int(means.argmin())]
        gap = float(self.returns(method, TRAIN).mean() - returns.mean()) if TRAIN in self.splits else None
        between = self.reference is not None and method not in (*self.nulls, self.reference)
        runs, contexts, episodes = returns.shape
        return SummaryRow(
            method,
            split,
            runs,
            contexts,
            episodes,
            aer=self.aer(method, split),
            iqm=self.iqm(method, split),
            worst_context=dict(zip(self.first.context_names, worst.tolist(), strict=True)),
            worst_return=float(means.min()),
            gap=gap,
            gap_closed=self.gap_closed(method, split) if between else None,
        )


def _identical(runs: tuple[EvaluatedRun, ...]) -> tuple[tuple[int, ...], ...]:
    """Groups of runs, by their positions, whose returns are the same in all splits."""
    groups: dict[bytes, list[int]] = {}
    for position, run in enumerate(runs):
        key = b"".join(np.ascontiguousarray(run.returns[split]).tobytes() for split in sorted(run.splits))
        groups.setdefault(key, []).append(position)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)
