"""How hyperparameters were chosen: the values of each method's hyperparameter on each task, with a seed of its own."""

import numpy as np

from tools.reproduce.frame.markdown import paragraph
from tools.reproduce.perm.choices import Choice, choice_table
from tools.reproduce.perm.data import DataSettings
from tools.reproduce.perm.methods import CHOSEN, SEARCH, TITLES, method, seconds
from tools.reproduce.perm.results import StudyResults, aer
from tools.reproduce.perm.study import Condition, Section, Study
from tools.reproduce.perm.tasks import ARRANGED

_SEED = 100


def _conditions() -> list[Condition]:
    return [
        Condition(DataSettings(task), f"{name}-{value:g}", method(name, task, value=value), seconds(name))
        for name, (_, values) in SEARCH.items() for task in ARRANGED for value in values
    ]  # fmt: skip


def choices(results: StudyResults) -> list[Choice]:
    """The hyperparameter of each method on each task.

    Args:
        results: of this study.
    """
    found = []
    for task in ARRANGED:
        for name, (hyperparameter, values) in SEARCH.items():
            by_value = {value: results.by_seed(DataSettings(task), f"{name}-{value:g}", aer()) for value in values}
            scores = {value: float(np.mean([*by_seed.values()])) for value, by_seed in by_value.items() if by_seed}
            found.append(Choice(task, TITLES[name], hyperparameter, CHOSEN[name, task], values, scores))
    return found


def _section(results: StudyResults) -> Section:
    lines = paragraph(
        f"Values of one hyperparameter for each method, on each task as confounded, by the mean AER on the unseen "
        f"contexts with seed {', '.join(map(str, results.seeds))} of the data, which is none of the reported ones. The unseen "
        "contexts and start states are those of the report: this search could see them. The best value is used "
        "everywhere else. Where it is the first or the last of its row, a value beyond it may be better."
    )
    return Section("", [], lines + choice_table(choices(results)), None)


STUDY = Study("search", "How hyperparameters were chosen", _conditions(), _section, seeds=(_SEED,), optional=True)
