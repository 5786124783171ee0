"""Cost: PERM against PPPO as training contexts are added.

Dimensions: n training contexts.
"""

import numpy as np
from matplotlib.figure import Figure

from tools.reproduce.frame.markdown import paragraph, table
from tools.reproduce.perm.data import DataSettings
from tools.reproduce.perm.methods import COST_BETA, TITLES, method, pppo
from tools.reproduce.perm.pictures import AER_LABEL, Curves, draw_curves, finish, logarithmic_x, panel_row
from tools.reproduce.perm.results import Measure, StudyResults, aer, difference, interval_text
from tools.reproduce.perm.study import Condition, Section, Study

TASK = "Dosing"
CONTEXTS = (2, 4, 8, 16, 32)
_METHODS = ("perm", "perm-policy", "pppo")
_MEASURES: dict[str, Measure] = {
    AER_LABEL: aer(),
    "training [s of one core]": lambda result: float(result["cost"]["processor_seconds"]),
    "parameters and optimisers [MB]": lambda result: result["cost"]["memory"] / 1e6,
    "growth of peak memory [MB]": lambda result: result["cost"]["peak_growth"] / 1e6,
}
_DRAWN = dict(list(_MEASURES.items())[:3])
_TEXT = (
    "PERM against PPPO as training contexts are added. Each context has the same amount of data on average; all learners "
    "have the same number of updates in total and the same batch size. PERM by default has no quantifier; PERM with policy "
    "evaluation has the quantifier of PPPO. PPPO goes three rounds over the contexts and keeps one critic set; its step "
    "size is the best of 0.3, 1 and 3 on Dosing with 8 contexts and another seed. The growth of peak memory includes what "
    "torch loads at its first step."
)


def _conditions() -> list[Condition]:
    """PERM with its defaults, PERM with PPPO's evaluation and quantifier, and PPPO, for each n."""
    conditions = []
    for n in CONTEXTS:
        learners = (method("perm", TASK), method("perm-gradient", TASK, COST_BETA), pppo(n))
        for name, learner in zip(_METHODS, learners, strict=True):
            conditions.append(Condition(DataSettings(TASK, contexts=n), name, learner, 8.0 + n / 8))
    return conditions


def _section(results: StudyResults) -> Section:
    lines = paragraph(_TEXT)
    for title, measure in _MEASURES.items():
        rows = []
        for name in _METHODS:
            intervals = [results.interval(DataSettings(TASK, contexts=n), name, measure) for n in CONTEXTS]
            if any(interval is not None for interval in intervals):
                rows.append([TITLES[name], *map(interval_text, intervals)])
        lines += table([f"{TASK}: {title}", *(f"n = {n}" for n in CONTEXTS)], rows)
    return Section(f"PERM against PPPO: {_answer(results)}.", [], lines, _picture(results))


def _answer(results: StudyResults) -> str:
    """PERM and PPPO at the largest n with results of both."""
    for n in reversed(CONTEXTS):
        data = DataSettings(TASK, contexts=n)
        perm, pppo = ([results.by_seed(data, name, measure) for measure in _MEASURES.values()] for name in ("perm", "pppo"))
        if all(perm) and all(pppo):
            gain = difference(perm[0], pppo[0])
            time, size = (np.mean([*perm[k].values()]) / np.mean([*pppo[k].values()]) for k in (1, 2))
            return (
                f"with {n} contexts of {TASK} PERM's AER is {gain} above PPPO's, at {time:.2g} times its training time and "
                f"{size:.2g} times its parameters and optimiser states"
            )
    return "not measured yet"


def _picture(results: StudyResults) -> Figure:
    """Each measure over n."""
    figure, panels = panel_row(len(_DRAWN), height=3.4)
    for axes, (title, measure) in zip(panels, _DRAWN.items(), strict=True):
        curves: Curves = {
            TITLES[name]: {n: results.interval(DataSettings(TASK, contexts=n), name, measure) for n in CONTEXTS}
            for name in _METHODS
        }
        draw_curves(axes, curves)
        logarithmic_x(axes, CONTEXTS)
        axes.set(title=TASK, xlabel="training contexts", ylabel=title)
    finish(panels)
    return figure


STUDY = Study("cost", "PERM against PPPO as contexts are added", _conditions(), _section)
