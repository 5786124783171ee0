"""How hyperparameters were chosen for natural data and for learners that use the labels: on contexts that are not reported."""

import numpy as np

from tools.reproduce.frame.markdown import paragraph, table
from tools.reproduce.perm.cell import HELD_OUT, EvaluationSettings
from tools.reproduce.perm.data import DataSettings
from tools.reproduce.perm.methods import LABELLED, SEARCH, TITLES, method, seconds, setting
from tools.reproduce.perm.natural import BUDGETS
from tools.reproduce.perm.results import StudyResults, aer
from tools.reproduce.perm.study import Condition, Section, Study
from tools.reproduce.perm.tasks import ARRANGED

_SEED = 100
_NATURAL = ("perm", "perm-gradient", "iql", "td3plusbc", *LABELLED)
_DATA = {
    **{DataSettings(task): LABELLED for task in ARRANGED},
    **{DataSettings(task, "natural"): _NATURAL for task in BUDGETS},
}


def _values(data: DataSettings, name: str) -> tuple[float, ...]:
    """The values that are compared: three on arranged data, two on natural data."""
    if data.arrangement != "natural":
        return SEARCH[name][1]
    return {"perm-gradient": (0.03, 0.1), "td3plusbc": (2.5, 10.0)}.get(name, (3.0, 10.0))


def _conditions() -> list[Condition]:
    return [
        Condition(data, f"{name}-{value:g}", method(name, setting(data), value=value), seconds(name))
        for data, names in _DATA.items() for name in names for value in _values(data, name)
    ]  # fmt: skip


def _section(results: StudyResults) -> Section:
    rows = []
    for data, names in _DATA.items():
        for name in names:
            scores = {value: results.by_seed(data, f"{name}-{value:g}", aer()) for value in _values(data, name)}
            texts = [f"{value:g}: {np.mean([*by_seed.values()]):.4g}" for value, by_seed in scores.items() if by_seed]
            if texts:
                rows.append([setting(data), TITLES[name], SEARCH[name][0], ", ".join(texts)])
    lines = paragraph(
        f"Values of one hyperparameter for each method, by the mean AER with seed {_SEED} of the data. The contexts, the start "
        "states and the seed of the data are none of the reported ones."
    )
    return Section("", [], lines + table(["setting", "learner", "hyperparameter", "value: AER"], rows), None)


STUDY = Study(
    "tuning", "How hyperparameters were chosen: natural data, and learners that use the labels", _conditions(), _section,
    seeds=(_SEED,), evaluation=EvaluationSettings(seed=HELD_OUT), optional=True,
)  # fmt: skip
