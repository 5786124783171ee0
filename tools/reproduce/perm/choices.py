"""Choices of hyperparameters: the value that the reported learners have, and the value that a search prefers.

The rule: of the values that were compared, the one with the highest mean AER over the seeds of the search; of equal ones, the
first. The values of the reported learners stand in the code, as the settings of cells must be known before any cell has run.
The report applies the rule to the finished cells of the search, and names every value that the rule does not confirm.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tools.reproduce.frame.markdown import table


@dataclass(frozen=True)
class Choice:
    """One hyperparameter of one method on one task.

    Attributes:
        task: the name of the task.
        method: as the report names it.
        hyperparameter: its name in the learner's config.
        used: the value in the reported learners.
        values: that were compared.
        scores: value -> its mean AER in the search; only values whose cells are finished.
    """

    task: str
    method: str
    hyperparameter: str
    used: float
    values: Sequence[float]
    scores: Mapping[float, float]

    @property
    def best(self) -> float | None:
        """The value that the rule of this module chooses; None where a value has no finished cell."""
        if any(value not in self.scores for value in self.values):
            return None
        return max(self.values, key=lambda value: self.scores[value])

    @property
    def confirmed(self) -> bool | None:
        """Whether the reported learners have the value that the rule chooses; None where that is unknown."""
        return None if self.best is None else self.best == self.used

    def to_dict(self) -> dict[str, Any]:
        """For perm.json."""
        scores = {f"{value:g}": round(score, 4) for value, score in self.scores.items()}
        names = {"task": self.task, "method": self.method, "hyperparameter": self.hyperparameter}
        return {**names, "used": self.used, "chosen by the search": self.best, "scores": scores}


def choice_table(choices: Iterable[Choice]) -> list[str]:
    """The choices that have a score, as a Markdown table."""
    rows = []
    for choice in choices:
        scores = ", ".join(f"{value:g}: {score:.4g}" for value, score in choice.scores.items())
        best = "unknown, cells are missing" if choice.best is None else f"{choice.best:g}"
        if scores:
            rows.append([choice.task, choice.method, choice.hyperparameter, scores, best, f"{choice.used:g}"])
    return table(["task", "learner", "hyperparameter", "value: AER", "chosen", "used"], rows)


def unconfirmed_lines(choices: Sequence[Choice]) -> list[str]:
    """For the top of a report: the values that a search does not confirm; nothing where it confirms all of them."""
    items = [
        f"- {choice.method} on {choice.task}: {choice.hyperparameter} {choice.used:g}; the search chooses {choice.best:g}."
        for choice in choices
        if choice.confirmed is False
    ]
    unknown = sum(choice.confirmed is None for choice in choices)
    if unknown:
        items.append(f"- {unknown} of {len(choices)} choices: cells of their search are not run, or not in this report.")
    return ["**Values that the search does not confirm:**", "", *items, ""] if items else []
