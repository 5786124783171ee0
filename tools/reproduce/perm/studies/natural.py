"""Natural data: each context's own SAC replay. Nothing about the behaviour is arranged."""

from matplotlib.figure import Figure

from tools.reproduce.frame.markdown import paragraph, table
from tools.reproduce.frame.verdicts import Threshold, Verdict, judge
from tools.reproduce.perm.cell import TRAIN
from tools.reproduce.perm.data import DataSettings
from tools.reproduce.perm.methods import LABELLED, PER_CONTEXT, TITLES, method, pppo, seconds
from tools.reproduce.perm.natural import BUDGETS
from tools.reproduce.perm.pictures import AER_LABEL, Curves, draw_curves, finish, panel_row
from tools.reproduce.perm.results import NULLS, StudyResults, difference, interval_text, mean_interval
from tools.reproduce.perm.studies.shares import share_sentences, share_table
from tools.reproduce.perm.study import Condition, Section, Study

_DATA = [DataSettings(task, "natural") for task in BUDGETS]
_MERGED = ("iql", "td3plusbc")
_METHODS = (*PER_CONTEXT, "pppo", "perm-one", *_MERGED, *LABELLED, *NULLS)
_TEXT = (
    "In each of 16 training contexts, a SAC agent learns online in that context alone (two layers of 64; SimpleDirection: 20 "
    "rounds of 4 episodes and 40 updates, PendulumGoal: 14 rounds of 1 episode and 200 updates). Everything it has played is "
    "the context's data: random at first, good at last. All contexts have as much data. The context is hidden from all "
    "policies. Hyperparameters are those of the arranged data. The last column says whether the learner is above the zero "
    "action and random actions in its training contexts."
)


def _conditions() -> list[Condition]:
    conditions = []
    for data in _DATA:
        for name in (*PER_CONTEXT, *_MERGED, *LABELLED):
            conditions.append(Condition(data, name, method(name, data.task), seconds(name)))
        conditions.append(Condition(data, "perm-one", method("perm", data.task, groups=1), seconds("perm-one")))
        conditions.append(Condition(data, "pppo", pppo(data.contexts), 9.0))
    return conditions


def _section(results: StudyResults) -> Section:
    rows = [row for data in _DATA for row in _rows(results, data)]
    head = ["task", "learner", "AER, unseen", "AER, training contexts", "PERM, expectile, less this", "learned"]
    lines = paragraph(_TEXT) + table(head, rows) + share_table(results, _DATA)
    verdicts = [verdict for data in _DATA for name in PER_CONTEXT for verdict in _verdict(results, data, name)]
    return Section(_answer(results), verdicts, lines, _picture(results))


def _rows(results: StudyResults, data: DataSettings) -> list[list[str]]:
    perm, rows = results.aer(data, "perm"), []
    for name in _METHODS:
        scores = results.aer(data, name)
        if scores:
            gain = None if name == "perm" else difference(perm, scores)
            intervals = [mean_interval(scores), mean_interval(results.aer(data, name, TRAIN)), gain]
            learned = "" if name in NULLS else {True: "yes", False: "**no**", None: ""}[results.learned(data, name)]
            rows.append([data.task, TITLES[name], *map(interval_text, intervals), learned])
    late = mean_interval(results.by_seed(data, "perm", lambda result: float(result["behaviour"]["last"])))
    own = [data.task, "SAC in its own context, last tenth of its replay", "", interval_text(late), "", ""]
    return rows if late is None else [*rows, own]


def _verdict(results: StudyResults, data: DataSettings, name: str) -> list[Verdict]:
    """Whether a method is above the best of the learners and controls that do not use the labels."""
    other = results.best(data, (*_MERGED, *NULLS))
    scores = results.aer(data, name)
    if other is None or not scores:
        return []
    claim = f"{TITLES[name]} on natural data of {data.task}: above {TITLES[other]}, the best without labels"
    learned = results.learned(data, name)
    return [judge(claim, difference(scores, results.aer(data, other)), Threshold(above=0), learned is not False)]


def _answer(results: StudyResults) -> str:
    gains = []
    for data in _DATA:
        perm, iql, other = results.aer(data, "perm"), results.aer(data, "iql"), results.best(data, (*_MERGED, *NULLS))
        if perm and iql:
            best = (
                f", {difference(perm, results.aer(data, other))} less {TITLES[other]}, the best without labels" if other else ""
            )
            gains.append(f"on {data.task} {difference(perm, iql)} less merged IQL{best}")
    if not gains:
        return ""
    shares = share_sentences(results, _DATA)
    closed = f" Of the gap from merged IQL to PERM: {'. '.join(shares)}." if shares else ""
    return f"Natural data (each context's own SAC replay): PERM, expectile, is {'; '.join(gains)}.{closed}"


def _picture(results: StudyResults) -> Figure:
    """AER of each learner; a panel for each task."""
    figure, panels = panel_row(len(_DATA), height=4.0)
    names = [name for name in _METHODS if name not in NULLS]
    for axes, data in zip(panels, _DATA, strict=True):
        curves: Curves = {"natural data": {i: mean_interval(results.aer(data, name)) for i, name in enumerate(names)}}
        draw_curves(axes, curves, linestyle="none")
        axes.set(title=data.task, ylabel=AER_LABEL)
    finish(panels)
    for axes in panels:
        axes.set_xticks(range(len(names)), [TITLES[name].replace(", ", "\n", 1) for name in names], rotation=60, fontsize=7)
    return figure


STUDY = Study("natural", "Natural data: each context's own SAC replay", _conditions(), _section)
