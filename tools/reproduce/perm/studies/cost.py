"""Cost: PERM against PPPO as training contexts are added.

Dimensions: n training contexts.
"""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from offctx.evaluation.statistics import Interval
from tools.reproduce.frame.markdown import paragraph, table
from tools.reproduce.perm.data import DataSettings
from tools.reproduce.perm.methods import COST_BETA, TITLES, method, pppo
from tools.reproduce.perm.pictures import AER_LABEL, Curves, draw_curves, finish, logarithmic_x, panel_row
from tools.reproduce.perm.results import NULLS, Measure, StudyResults, aer, difference, interval_text, mean_interval
from tools.reproduce.perm.study import Condition, Section, Study

TASK = "Dosing"
CONTEXTS = (2, 4, 8, 16, 32)
_DATA = {n: DataSettings(TASK, contexts=n) for n in CONTEXTS}
_OURS = ("perm", "perm-policy")
_METHODS = (*_OURS, "pppo")
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
            intervals = [results.interval(data, name, measure) for data in _DATA.values()]
            if any(interval is not None for interval in intervals):
                rows.append([TITLES[name], *map(interval_text, intervals)])
        if title == AER_LABEL:
            for name in NULLS:
                rows.append([TITLES[name], *(interval_text(mean_interval(results.aer(data, name))) for data in _DATA.values())])
            for name in _OURS:
                rows.append(
                    [f"{TITLES[name]}, less PPPO", *(interval_text(_gain(results, data, name)) for data in _DATA.values())]
                )
        lines += table([f"{TASK}: {title}", *(f"n = {n}" for n in CONTEXTS)], rows)
    return Section(_answer(results), [], lines, _picture(results))


def _gain(results: StudyResults, data: DataSettings, name: str) -> Interval | None:
    """The AER of a method less that of PPPO."""
    return difference(results.aer(data, name), results.aer(data, "pppo"))


def _answer(results: StudyResults) -> str:
    """PERM less PPPO at every n, and what both cost at the largest n."""
    sentences = []
    for name in _OURS:
        gains = {n: _gain(results, data, name) for n, data in _DATA.items()}
        texts = [f"{gain} (n = {n})" for n, gain in gains.items() if gain is not None]
        if texts:
            sentences.append(f"The AER of {TITLES[name]}, less that of PPPO: {', '.join(texts)}{_signs(gains)}.")
    costs = _costs(results)
    return f"PERM against PPPO on {TASK}, with n contexts. {' '.join(sentences)}{costs}" if sentences else ""


def _signs(gains: Mapping[int, Interval | None]) -> str:
    """At which n the whole interval is on one side of 0."""
    sides = {
        "PPPO is above": [str(n) for n, gain in gains.items() if gain is not None and gain.high < 0],
        "PPPO is below": [str(n) for n, gain in gains.items() if gain is not None and gain.low > 0],
        "no difference is seen": [str(n) for n, gain in gains.items() if gain is not None and gain.low <= 0 <= gain.high],
    }
    return "".join(f"; {words} at n = {', '.join(values)}" for words, values in sides.items() if values)


def _costs(results: StudyResults) -> str:
    """Training time and size at the largest n with results of both; empty where there is none."""
    for n, data in reversed(_DATA.items()):
        perm, pppo = ([results.by_seed(data, name, measure) for measure in _MEASURES.values()] for name in ("perm", "pppo"))
        if all(perm) and all(pppo):
            time, size = (np.mean([*perm[k].values()]) / np.mean([*pppo[k].values()]) for k in (1, 2))
            return (
                f" With {n} contexts {TITLES['perm']} takes {time:.2g} times PPPO's training time and {size:.2g} times its "
                "parameters and optimiser states."
            )
    return ""


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
