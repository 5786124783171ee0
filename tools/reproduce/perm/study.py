"""A study: conditions that are compared over seeds, and what the report says of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from tools.reproduce.frame.cells import Cell
from tools.reproduce.frame.verdicts import Verdict
from tools.reproduce.perm.cell import EvaluationSettings, cell_settings, run_cell
from tools.reproduce.perm.data import DataSettings
from tools.reproduce.perm.learners import LearnerSettings
from tools.reproduce.perm.results import StudyResults


class Condition(NamedTuple):
    """One learner on one dataset; it runs with every seed of its study.

    Attributes:
        data: the dataset.
        method: what the learner is called in this study.
        learner: the learner.
        cost: expected seconds of a cell, for the progress bar.
    """

    data: DataSettings
    method: str
    learner: LearnerSettings
    cost: float = 10.0


class Section(NamedTuple):
    """A study in the report.

    Attributes:
        answer: the study's result in one or two sentences, for the head of the report; may be empty.
        verdicts: whether its claims hold.
        lines: text and tables in Markdown.
        picture: None where there is none.
    """

    answer: str
    verdicts: Sequence[Verdict]
    lines: Sequence[str]
    picture: Figure | None


@dataclass(frozen=True)
class Study:
    """Conditions, each run with every seed.

    Attributes:
        name: on the command line.
        title: of its section in the report.
        conditions: what is compared.
        section: writes the section from the results that exist.
        seeds: of contexts, data, networks and batches.
        evaluation: how learners are scored.
        optional: whether it runs only if --only names it.
    """

    name: str
    title: str
    conditions: Sequence[Condition]
    section: Callable[[StudyResults], Section]
    seeds: Sequence[int] = range(5)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    optional: bool = False

    def cells(self, work: Path) -> list[Cell]:
        """One cell for each condition and seed; seed by seed, so that an interrupted run has whole comparisons."""
        return [self._cell(condition, seed, work) for seed in self.seeds for condition in self.conditions]

    def quick(self) -> "Study":
        """The same study with hardly any steps, to see that it runs."""
        conditions = [c._replace(learner=replace(c.learner, steps=30), cost=3.0) for c in self.conditions]
        evaluation = replace(self.evaluation, episodes=2, unseen=4)
        return replace(self, conditions=conditions, seeds=self.seeds[:2], evaluation=evaluation)

    def _cell(self, condition: Condition, seed: int, work: Path) -> Cell:
        names = self.name, str(condition.data), condition.method
        return Cell(
            key=(*names, seed),
            path=work.joinpath("cells", *names, f"seed{seed}.json"),
            compute=partial(run_cell, condition.data, condition.learner, self.evaluation, seed, work / "datasets"),
            settings=cell_settings(condition.data, condition.learner, self.evaluation),
            cost=condition.cost,
        )
