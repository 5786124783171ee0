"""IQL-nV's factors on many generated levels with discrete actions, nearer to the paper's experiment with Procgen.

The paper (arXiv 2503.07988) reports for Procgen's Miner, 200 training levels: 1 value network, deterministic policy 1.66;
1, 4 and 8 value networks, stochastic policy 5.6, 6.36 and 7.88.
"""

from matplotlib.figure import Figure

from offctx.evaluation.statistics import Interval
from tools.reproduce.frame.markdown import paragraph, table
from tools.reproduce.frame.verdicts import Threshold, Verdict, judge
from tools.reproduce.perm.cell import CONTROLS, HELD_OUT, RANDOM, TRAIN, UNSEEN, EvaluationSettings
from tools.reproduce.perm.choices import Choice, choice_table
from tools.reproduce.perm.data import DataSettings
from tools.reproduce.perm.learners import LearnerSettings
from tools.reproduce.perm.pictures import AER_LABEL, Curves, draw_curves, finish, logarithmic_x, panel_row
from tools.reproduce.perm.results import (
    BySeed,
    StudyResults,
    aer,
    control_data,
    difference,
    interval_text,
    mean_interval,
)
from tools.reproduce.perm.study import Condition, Section, Study
from tools.reproduce.perm.tasks import MINE

_DATA = DataSettings(MINE.name, "levels", contexts=200)
_GROUPS = (1, 4, 8, 16)
_FEWEST, _MOST = _GROUPS[0], _GROUPS[-1]
_TEMPERATURES = (1.0, 3.0, 10.0)
_CHOSEN = {1: 3.0, 4: 3.0, 8: 3.0, 16: 3.0}  # value networks -> weight_temp; the study "levels-tuning" chooses it
_POLICIES = {"deterministic": "mode", "stochastic": "sampled"}  # how actions are taken -> the policy in the results
_TUNED_BY = aer(policy=_POLICIES["stochastic"])
_STEPS = 1000
_SECONDS = 17.0
_TEXT = (
    f"Mine: {MINE.text} 200 training levels, drawn anew for each seed, with four episodes each; for each level, a chance "
    "between 0 and 0.6 is drawn with which the behaviour makes the good move instead of a random one. PERM for discrete "
    "actions with expectile evaluation and advantage-weighted extraction; levels share value networks (each with Q-functions "
    "of its own) in groups at random. weight_temp was chosen anew for each number of value networks. With discrete actions "
    "one softmax is trained by its likelihood; the deterministic policy takes its most likely action, the stochastic one "
    "draws. Learners are scored on 200 unseen levels."
)
_PAPER = (
    "The paper's returns on Procgen's Miner: 1 value network, deterministic 1.66; 1, 4, 8 networks, stochastic 5.6, 6.36, 7.88."
)


def _learner(groups: int, temperature: float) -> LearnerSettings:
    config = {"groups": groups, "grouping": "random", "policy": "stochastic", "weight_temp": temperature}
    return LearnerSettings("discreteperm", config, steps=_STEPS)


def _conditions() -> list[Condition]:
    learners = [Condition(_DATA, _name(groups), _learner(groups, _CHOSEN[groups]), _SECONDS) for groups in _GROUPS]
    return [*learners, Condition(control_data(_DATA), CONTROLS, LearnerSettings(CONTROLS, steps=0), 3.0)]


def _name(groups: int) -> str:
    return f"nv{groups}"


def _scores(results: StudyResults, groups: int, kind: str, split: str = UNSEEN) -> BySeed:
    return results.aer(_DATA, _name(groups), split, _POLICIES[kind])


def _section(results: StudyResults) -> Section:
    rows = [
        [str(groups), f"{_CHOSEN[groups]:g}", *(
            interval_text(mean_interval(_scores(results, groups, kind, split))) + (_mark(results, groups, kind))
            for split in (UNSEEN, TRAIN) for kind in _POLICIES
        )]
        for groups in _GROUPS
    ]  # fmt: skip
    random = [interval_text(mean_interval(results.aer(_DATA, RANDOM, split))) for split in (UNSEEN, TRAIN)]
    rows.append(["random action", "", "", random[0], "", random[1]])
    head = ["value networks", "weight_temp", *(f"{kind}, {split}" for split in ("unseen", "training") for kind in _POLICIES)]
    lines = paragraph(_TEXT) + table(head, rows) + ["Effects on unseen levels, differences within seeds:", ""]
    lines += table(["difference", "effect"], [[label, interval_text(gain)] for label, gain in _effects(results).items()])
    return Section(_answer(results), _verdicts(results), lines + paragraph(_PAPER), _picture(results))


def _mark(results: StudyResults, groups: int, kind: str) -> str:
    """What a score carries if the learner is not above random actions in its training levels."""
    return " (not learned)" if results.learned(_DATA, _name(groups), _POLICIES[kind]) is False else ""


def _effects(results: StudyResults) -> dict[str, Interval | None]:
    """Each factor's effect with the other one fixed."""
    effects: dict[str, Interval | None] = {}
    for kind in _POLICIES:
        for groups in _GROUPS[1:]:
            gain = difference(_scores(results, groups, kind), _scores(results, _FEWEST, kind))
            effects[f"{groups} value networks less {_FEWEST}, {kind}"] = gain
    for groups in _GROUPS:
        gain = difference(*(_scores(results, groups, kind) for kind in ("stochastic", "deterministic")))
        effects[f"stochastic less deterministic, {groups} value networks"] = gain
    return effects


def _verdicts(results: StudyResults) -> list[Verdict]:
    """The paper's two factors."""
    more = f"Mine: {_MOST} value networks are above {_FEWEST}, stochastic policy"
    drawn = f"Mine: a stochastic policy is above a deterministic one, {_FEWEST} value network"
    arms = {
        more: [(_MOST, "stochastic"), (_FEWEST, "stochastic")],
        drawn: [(_FEWEST, "stochastic"), (_FEWEST, "deterministic")],
    }
    return [
        judge(
            claim,
            difference(_scores(results, *better), _scores(results, *other)),
            Threshold(above=0),
            results.learned(_DATA, _name(better[0]), _POLICIES[better[1]]) is not False,
        )
        for claim, (better, other) in arms.items()
    ]


def _answer(results: StudyResults) -> str:
    gains = {
        kind: difference(_scores(results, _MOST, kind), _scores(results, _FEWEST, kind))
        for kind in ("deterministic", "stochastic")
    }
    policy = difference(_scores(results, _FEWEST, "stochastic"), _scores(results, _FEWEST, "deterministic"))
    if policy is None or None in gains.values():
        return ""
    return (
        f"On 200 levels of Mine {_MOST} value networks instead of {_FEWEST} give {gains['stochastic']} with a stochastic "
        f"policy and {gains['deterministic']} with a deterministic one; a stochastic policy instead of a deterministic one "
        f"gives {policy} with {_FEWEST}."
    )


def _picture(results: StudyResults) -> Figure:
    """AER over the number of value networks."""
    figure, (axes,) = panel_row(1)
    curves: Curves = {kind: {groups: mean_interval(_scores(results, groups, kind)) for groups in _GROUPS} for kind in _POLICIES}
    draw_curves(axes, curves)
    logarithmic_x(axes, _GROUPS)
    axes.set(title="Mine, 200 training levels", xlabel="value networks", ylabel=AER_LABEL)
    finish([axes])
    return figure


def _tuning_conditions() -> list[Condition]:
    return [
        Condition(_DATA, f"{_name(groups)}-{temperature:g}", _learner(groups, temperature), _SECONDS)
        for groups in _GROUPS for temperature in _TEMPERATURES
    ]  # fmt: skip


def choices(tuning: StudyResults) -> list[Choice]:
    """weight_temp for each number of value networks, by the AER of the stochastic policy.

    Args:
        tuning: the results of the study "levels-tuning".
    """
    searched = []
    for groups in _GROUPS:
        by_value = {t: tuning.by_seed(_DATA, f"{_name(groups)}-{t:g}", _TUNED_BY) for t in _TEMPERATURES}
        scores = {value: sum(by_seed.values()) / len(by_seed) for value, by_seed in by_value.items() if by_seed}
        name = f"PERM, {groups} value network{'s' if groups > 1 else ''}"
        searched.append(Choice(MINE.name, name, "weight_temp", _CHOSEN[groups], _TEMPERATURES, scores))
    return searched


def _tuning_section(results: StudyResults) -> Section:
    lines = paragraph(
        "weight_temp for each number of value networks, by the mean AER of the stochastic policy on other levels and with "
        "another seed of the data than are reported. The highest is chosen, and is that of the deterministic policy too."
    )
    return Section("", [], lines + choice_table(choices(results)), None)


_EVALUATION = EvaluationSettings(episodes=2, unseen=200)
STUDY = Study("levels", "The factors of IQL-nV on many levels", _conditions(), _section, evaluation=_EVALUATION)
TUNING = Study(
    "levels-tuning", "How weight_temp was chosen on many levels", _tuning_conditions(), _tuning_section, seeds=(100,),
    evaluation=EvaluationSettings(episodes=2, unseen=200, seed=HELD_OUT), optional=True,
)  # fmt: skip
