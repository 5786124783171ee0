"""Pessimism: AER over beta on poorly covered data."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from offctx.evaluation.statistics import Interval
from tools.reproduce.frame.markdown import paragraph, table
from tools.reproduce.frame.verdicts import Threshold, Verdict, judge
from tools.reproduce.perm.data import DataSettings
from tools.reproduce.perm.learners import LearnerSettings
from tools.reproduce.perm.methods import TITLES, method
from tools.reproduce.perm.pictures import AER_LABEL, Curves, draw_curves, finish, panel_row
from tools.reproduce.perm.results import NULLS, BySeed, StudyResults, aer, difference, interval_text, mean_interval
from tools.reproduce.perm.study import Condition, Section, Study

_TASKS = ("PendulumGoal", "Dosing")
_TEXT = (
    "Poorly covered data: 15 % of the episodes, as many in all contexts, of the good behaviour with 30 % of its noise. Such "
    "data do not show what other actions do. PERM with policy evaluation and gradient subtracts beta Gamma from its critics; "
    "it runs without imitation (bc_weight 0), which could replace pessimism. d3rlpy's TD3, which has neither imitation nor "
    "pessimism, sees rewards less beta Gamma. Gamma is elliptical on random Fourier features, per context. "
    "Tuned: for each seed, the beta > 0 that is best over the other seeds."
)


class _Family(NamedTuple):
    """An algorithm with several values of beta."""

    name: str
    title: str
    betas: Sequence[float]

    def method(self, beta: float) -> str:
        return f"{self.name}-beta{beta:g}"

    def learner(self, task: str, beta: float) -> LearnerSettings:
        """PERM without imitation, which would hide what pessimism does; or TD3, which has neither."""
        return method("perm-gradient", task, beta, value=0.0) if self.name == "perm" else LearnerSettings(self.name, beta=beta)

    def scores(self, results: StudyResults, task: str) -> dict[float, BySeed]:
        """The AER by beta and seed."""
        return {beta: results.by_seed(_poor_cover(task), self.method(beta), aer()) for beta in self.betas}


_FAMILIES = (_Family("perm", "PERM", (0.0, 0.1, 0.3, 1.0, 3.0, 10.0)), _Family("td3", "TD3", (0.0, 0.3, 1.0, 3.0)))


def _poor_cover(task: str) -> DataSettings:
    """Few episodes of a good behaviour with little noise: the data do not show what other actions do."""
    return DataSettings(task, "skilled", share=0.15, noise=0.3)


def _conditions() -> list[Condition]:
    return [
        Condition(_poor_cover(task), family.method(beta), family.learner(task, beta))
        for task in _TASKS
        for family in _FAMILIES
        for beta in family.betas
    ]


def tuned(by_beta: Mapping[float, BySeed]) -> dict[int, float]:
    """For each seed, the score of the beta > 0 that is best on average over the other seeds.

    So the score of a seed does not decide about its own beta.
    """
    positive = {beta: scores for beta, scores in by_beta.items() if beta > 0 and scores}
    seeds = set.intersection(*(set(scores) for scores in positive.values())) if positive else set()
    best = {}
    for seed in seeds if len(seeds) > 1 else ():
        others = {beta: np.mean([scores[s] for s in seeds if s != seed]) for beta, scores in positive.items()}
        best[seed] = positive[max(others, key=lambda beta: others[beta])][seed]
    return best


def _section(results: StudyResults) -> Section:
    lines = paragraph(_TEXT)
    answers, verdicts = [], []
    for family in _FAMILIES:
        rows = []
        for task in _TASKS:
            by_beta = family.scores(results, task)
            best = tuned(by_beta)
            gain = difference(best, by_beta[0.0])
            intervals = [*map(mean_interval, by_beta.values()), mean_interval(best), gain]
            nulls = [mean_interval(results.aer(_poor_cover(task), name)) for name in NULLS]
            rows.append([task, *map(interval_text, [*intervals, *nulls])])
            if gain is not None:
                answers.append(f"{family.title} on {task} {gain}")
                verdicts.append(_verdict(family, task, gain))
        lines += table(
            [
                family.title,
                *(f"beta {beta:g}" for beta in family.betas),
                "tuned",
                "tuned less 0",
                *(TITLES[name] for name in NULLS),
            ],
            rows,
        )
    answer = f"Pessimism, a tuned beta less beta = 0 on poorly covered data: {'; '.join(answers) or 'not measured yet'}."
    return Section(answer, verdicts, lines, _picture(results))


def _verdict(family: _Family, task: str, gain: Interval) -> Verdict:
    claim = f"{family.title} on {task}, poorly covered: a tuned beta is above beta = 0 within seeds"
    return judge(claim, gain, Threshold(above=0))


def _picture(results: StudyResults) -> Figure:
    """AER over beta, on an axis that is linear near 0."""
    figure, panels = panel_row(len(_TASKS))
    for axes, task in zip(panels, _TASKS, strict=True):
        curves: Curves = {
            family.title: {beta: mean_interval(scores) for beta, scores in family.scores(results, task).items()}
            for family in _FAMILIES
        }
        draw_curves(axes, curves)
        axes.set_xscale("symlog", linthresh=0.1)
        axes.set(title=task, xlabel="beta", ylabel=AER_LABEL)
    finish(panels)
    return figure


STUDY = Study("pessimism", "Pessimism on poorly covered data", _conditions(), _section)
