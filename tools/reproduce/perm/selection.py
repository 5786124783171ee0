"""How the hyperparameters of the reported learners were chosen, in words, for the top of the report.

The values of `methods.CHOSEN` come from a search on the unseen contexts and start states that are reported. A later search
(the study "search") uses others; the report says which of its cells are finished, and which choices they confirm.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tools.reproduce.frame.markdown import paragraph
from tools.reproduce.perm.cell import REPORTED
from tools.reproduce.perm.choices import Choice

_TASKS = "SimpleDirection, PendulumGoal and Dosing"
_OTHER_CHOICES = (
    "A tuned beta (pessimism) is chosen for each seed on the other seeds, in the same unseen contexts. PPPO's step size is the "
    "best of three on Dosing with 8 contexts and another seed; those runs are not in this report."
)


def selection_lines(searched: Sequence[Choice], levels: Sequence[Choice], others: Sequence[Mapping[str, Any]]) -> list[str]:
    """What was chosen on what.

    Args:
        searched: the choices of the study "search".
        levels: the choices of the study "levels-tuning".
        others: the runs that are not in the tables (`records.other_runs`).
    """
    held_out = paragraph(f"**Search in other contexts than those reported.** {_held_out(searched)} {_levels(levels)}")
    first = f"**Hyperparameters were chosen on what is reported.** {_earlier(others)} {_OTHER_CHOICES}"
    return [*paragraph(first), *held_out]


def _earlier(others: Sequence[Mapping[str, Any]]) -> str:
    """The search that the values in use come from."""
    cells = [
        run for run in others if run["settings"]["evaluation"]["seed"] == REPORTED and run["cell"]["experiment"] == "search"
    ]
    text = (
        f"The values in use on {_TASKS} come from a search that scored its learners in the same unseen contexts and from the "
        "same start states as this page; only its training contexts, data and networks were drawn with another seed. The "
        "scores of these learners, and thereby their differences, may be better than in contexts that no choice has seen."
    )
    if not cells:
        return f"{text} Its cells are not in this report."
    dirty = sum("-dirty" in run["commit"] for run in cells)
    seeds = {run["cell"]["seed"] for run in cells}
    return (
        f"{text} Its cells are at the end of this page: {len(cells)}, with {len(seeds)} seed{'s' if len(seeds) > 1 else ''}, "
        f"{dirty} of them from a tree with changes that no commit has."
    )


def _held_out(searched: Sequence[Choice]) -> str:
    """What the later search says of the choices."""
    scored = sum(bool(choice.scores) for choice in searched)
    if not scored:
        return f"For {_TASKS} no cell of it has been run: it confirms none of {len(searched)} choices."
    confirmed, refuted = (_names([c for c in searched if c.confirmed is answer]) for answer in (True, False))
    unknown = _names([choice for choice in searched if choice.confirmed is None])
    return (
        f"For {_TASKS} it has scores for {scored} of {len(searched)} choices. It confirms: {confirmed}. It does not confirm: "
        f"{refuted}. Cells are missing for: {unknown}. A choice that is not confirmed was made on what is reported."
    )


def _levels(levels: Sequence[Choice]) -> str:
    """The same for Mine."""
    if any(choice.confirmed is None for choice in levels):
        return "On Mine, weight_temp has no finished search in this report."
    confirmed = sum(bool(choice.confirmed) for choice in levels)
    return f"On Mine, weight_temp was searched on other levels: {confirmed} of {len(levels)} choices are confirmed."


def _names(choices: Sequence[Choice]) -> str:
    return "; ".join(f"{choice.method} on {choice.task}" for choice in choices) or "none"
