"""The two factors of the paper's IQL-nV, each on its own: the number of value networks and the kind of policy."""

from matplotlib.figure import Figure

from tools.reproduce.frame.markdown import paragraph, table
from tools.reproduce.perm.cell import RANDOM
from tools.reproduce.perm.data import DataSettings
from tools.reproduce.perm.methods import TITLES, method, seconds
from tools.reproduce.perm.pictures import AER_LABEL, Curves, draw_curves, finish, logarithmic_x, panel_row
from tools.reproduce.perm.results import NULLS, BySeed, StudyResults, aer, difference, interval_text, mean_interval
from tools.reproduce.perm.study import Condition, Section, Study

_TASKS = ("SimpleDirection", "Dosing")
_GROUPS = (1, 4, 16)
_FEWEST, _MOST = _GROUPS[0], _GROUPS[-1]
_KINDS = ("stochastic", "deterministic")
_SCORED_BY = ("mode", "sampled")  # how a stochastic policy is scored
_TEXT = (
    "PERM with expectile evaluation and advantage-weighted extraction on the confounded data, {1, 4, 16} value networks "
    "(each with Q-functions of its own) times kind of policy, all else the same; four groups by context distance, unless "
    "said otherwise. A stochastic policy is trained by its likelihood and scored by its mode and by its draws, a "
    "deterministic one by squared error."
)


def _conditions() -> list[Condition]:
    """Every number of value networks with both kinds of policy; four groups also at random instead of by distance."""
    factors = [(groups, "distance") for groups in _GROUPS] + [(4, "random")]
    return [
        Condition(
            DataSettings(task), f"nv{groups}-{kind}{'-random' if grouping == 'random' else ''}",
            method("perm", task, groups=groups, grouping=grouping, policy=kind), seconds("cross"),
        )
        for task in _TASKS for groups, grouping in factors for kind in _KINDS
    ]  # fmt: skip


def _section(results: StudyResults) -> Section:
    lines = paragraph(_TEXT)
    scores = [row for task in _TASKS for row in _score_rows(results, task)]
    lines += table(["task", "value networks", "stochastic, mode", "stochastic, draws", "deterministic"], scores)
    lines += ["Effects, differences within seeds:", ""]
    effects = [row for task in _TASKS for row in _network_rows(results, task)]
    lines += table(["task", "difference", "stochastic (mode)", "deterministic"], effects)
    effects = [row for task in _TASKS for row in _policy_rows(results, task)]
    lines += table(["task", "difference", "by its mode", "by its draws"], effects)
    answers = [answer for task in _TASKS for answer in _answers(results, task)]
    return Section(f"IQL-nV taken apart: {'; '.join(answers) or 'not measured yet'}.", [], lines, _picture(results))


def _scores(results: StudyResults, task: str, name: str, policy: str = "mode") -> BySeed:
    return results.by_seed(DataSettings(task), name, aer(policy=policy))


def _score_rows(results: StudyResults, task: str) -> list[list[str]]:
    """The AER of every combination."""
    rows = []
    for groups, suffix in [*((groups, "") for groups in _GROUPS), (4, "-random")]:
        stochastic, deterministic = (f"nv{groups}-{kind}{suffix}" for kind in _KINDS)
        intervals = [results.interval(DataSettings(task), stochastic, aer(policy=policy)) for policy in _SCORED_BY]
        intervals.append(results.interval(DataSettings(task), deterministic, aer()))
        rows.append([task, f"{groups}{', groups by chance' if suffix else ''}", *map(interval_text, intervals)])
    for name in NULLS:
        scores = interval_text(mean_interval(results.aer(DataSettings(task), name)))
        rows.append([task, TITLES[name], *(["", scores, ""] if name == RANDOM else [scores, "", scores])])
    return rows


def _network_rows(results: StudyResults, task: str) -> list[list[str]]:
    """What more value networks give, and grouping by distance."""
    pairs = [(f"{n} value networks less {_FEWEST}", f"nv{n}-{{}}", f"nv{_FEWEST}-{{}}") for n in _GROUPS[1:]]
    pairs.append(("4 groups by distance less by chance", "nv4-{}", "nv4-{}-random"))
    return [
        [task, label, *(
            interval_text(difference(*(_scores(results, task, name.format(kind)) for name in names))) for kind in _KINDS
        )]
        for label, *names in pairs
    ]  # fmt: skip


def _policy_rows(results: StudyResults, task: str) -> list[list[str]]:
    """What a stochastic policy gives."""
    rows = []
    for groups in _GROUPS:
        deterministic = _scores(results, task, f"nv{groups}-deterministic")
        gains = [difference(_scores(results, task, f"nv{groups}-stochastic", policy), deterministic) for policy in _SCORED_BY]
        label = f"stochastic less deterministic at {groups}: its mode, its draws"
        rows.append([task, label, *map(interval_text, gains)])
    return rows


def _answers(results: StudyResults, task: str) -> list[str]:
    """The effects of both factors on a task; empty where they are unknown."""
    base = _scores(results, task, f"nv{_FEWEST}-deterministic")
    networks = difference(_scores(results, task, f"nv{_MOST}-deterministic"), base)
    policy = difference(_scores(results, task, f"nv{_FEWEST}-stochastic"), base)
    if networks is None or policy is None:
        return []
    return [
        f"on {task} {_MOST} value networks instead of {_FEWEST} give {networks} with a deterministic policy, a stochastic "
        f"policy (its mode) instead of a deterministic one {policy} with {_FEWEST}"
    ]


def _picture(results: StudyResults) -> Figure:
    """AER over the number of value networks."""
    figure, panels = panel_row(len(_TASKS))
    kinds = {"stochastic, mode": "mode", "stochastic, sampled": "sampled", "deterministic": "mode"}  # label -> policy
    for axes, task in zip(panels, _TASKS, strict=True):
        curves: Curves = {
            label: {
                groups: results.interval(DataSettings(task), f"nv{groups}-{label.split(',')[0]}", aer(policy=policy))
                for groups in _GROUPS
            }
            for label, policy in kinds.items()
        }
        draw_curves(axes, curves)
        logarithmic_x(axes, _GROUPS)
        axes.set(title=task, xlabel="value networks", ylabel=AER_LABEL)
    finish(panels)
    return figure


STUDY = Study("cross", "The factors of IQL-nV", _conditions(), _section)
