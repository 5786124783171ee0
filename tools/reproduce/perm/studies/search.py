"""The search in other contexts: values of each method's hyperparameter on each task.

Contexts, data, networks and start states are others than in all other studies: what it chooses has not seen what is reported.
The values in use come from an earlier search, which had (`selection`).
"""

import numpy as np

from tools.reproduce.frame.markdown import paragraph
from tools.reproduce.perm.cell import HELD_OUT, EvaluationSettings
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
    searched = []
    for task in ARRANGED:
        for name, (hyperparameter, values) in SEARCH.items():
            by_value = {value: results.by_seed(DataSettings(task), f"{name}-{value:g}", aer()) for value in values}
            scores = {value: float(np.mean([*by_seed.values()])) for value, by_seed in by_value.items() if by_seed}
            searched.append(Choice(task, TITLES[name], hyperparameter, CHOSEN[name, task], values, scores))
    return searched


def _section(results: StudyResults) -> Section:
    lines = paragraph(
        "Values of one hyperparameter for each method, on each task as confounded, by the mean AER. Training contexts, data, "
        "unseen contexts, networks and start states are drawn with seeds that no reported learner has. The highest is chosen. "
        "Where it is the first or the last of its row, a value beyond it may be better. The values in use come from an earlier "
        "search, with more values, whose unseen contexts and start states were those of the report; it is among the runs below."
    )
    return Section("", [], lines + choice_table(choices(results)), None)


STUDY = Study(
    "search", "How hyperparameters were chosen", _conditions(), _section, seeds=(_SEED,),
    evaluation=EvaluationSettings(seed=HELD_OUT), optional=True,
)  # fmt: skip
