"""Average-MDP collapse (Proposition 4.1): where merging the data of all contexts hurts, and where it does not."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from tools.reproduce.frame.markdown import paragraph, table
from tools.reproduce.frame.verdicts import Verdict
from tools.reproduce.perm.cell import TRAIN
from tools.reproduce.perm.data import DataSettings
from tools.reproduce.perm.methods import MERGED, PER_CONTEXT, SEARCH, TITLES, method, seconds
from tools.reproduce.perm.pictures import AER_LABEL, Curves, draw_curves, finish, panel_row
from tools.reproduce.perm.results import StudyResults, aer, difference, interval_text, is_above
from tools.reproduce.perm.study import Condition, Section, Study
from tools.reproduce.perm.tasks import TASKS

_TASKS = {"confounded": tuple(TASKS), "benign": ("SimpleDirection", "Dosing")}
_METHODS = ("perm", "perm-gradient", "perm-one", *MERGED)
_REQUIRED_TASKS = 2  # the claim is about so many tasks
_TEXT = (
    "The context is hidden from all policies. In easy contexts returns are high whatever the policy does. In the confounded "
    "arrangement, the easier a context, the poorer its behaviour and the more data it has (up to 8 times as much), as where "
    "experts are sent to hard cases. Data merged without labels then say that the actions of the poor behaviour have higher "
    "returns (Simpson's paradox). The tasks were arranged so on purpose. In the benign arrangement all contexts have as much "
    "data, of a behaviour half way between poor and good, so that nothing is confounded. There are 16 training contexts, "
    "drawn anew for each seed, and 48 unseen contexts of the same distribution. PERM with one critic set is PERM without "
    "its per-context critics: it shows what drawing all contexts equally often gives alone."
)


def _conditions() -> list[Condition]:
    """All methods on confounded data; all but CQL, which takes the longest, on benign data."""
    conditions = []
    for arrangement, tasks in _TASKS.items():
        for task in tasks:
            data = DataSettings(task, arrangement)
            names = [name for name in SEARCH if arrangement == "confounded" or name != "cql"]
            conditions += [Condition(data, name, method(name, task), seconds(name)) for name in names]
            conditions.append(Condition(data, "perm-one", method("perm", task, groups=1), seconds("perm-one")))
    return conditions


def _section(results: StudyResults) -> Section:
    lines = paragraph(_TEXT)
    lines += [line for task in TASKS.values() for line in paragraph(f"{task.name}: {task.text}")]
    for arrangement in _TASKS:
        head = [arrangement, "learner", "AER, unseen", "AER, training contexts", "PERM, expectile, less this", "seeds"]
        lines += table(head, _rows(results, arrangement))
    separated = {name: {task: _is_separated(results, name, task) for task in TASKS} for name in PER_CONTEXT}
    verdicts = [_verdict(name, by_task) for name, by_task in separated.items()]
    return Section(_answer(results, separated, verdicts[0].met is None), verdicts, lines, _picture(results))


def _rows(results: StudyResults, arrangement: str) -> list[list[str]]:
    """The rows of one table: each method on each task."""
    rows = []
    for task in TASKS:
        data = DataSettings(task, arrangement)
        perm = results.by_seed(data, "perm", aer())
        for name in _METHODS:
            scores = results.by_seed(data, name, aer())
            if scores:
                intervals = [results.interval(data, name, aer()), results.interval(data, name, aer(TRAIN))]
                gain = None if name == "perm" else difference(perm, scores)
                rows.append([task, TITLES[name], *map(interval_text, [*intervals, gain]), str(len(scores))])
    return rows


def _is_separated(results: StudyResults, name: str, task: str) -> bool | None:
    """Whether the interval of a method lies above those of all merged learners; None where that is unknown."""
    own, *merged = (results.interval(DataSettings(task), other, aer()) for other in (name, *MERGED))
    above = [is_above(own, other) for other in merged]
    return False if False in above else None if None in above else True


def _verdict(name: str, separated: Mapping[str, bool | None]) -> Verdict:
    """Whether a method is above all merged learners on enough tasks."""
    won = [task for task, is_so in separated.items() if is_so]
    unknown = [task for task, is_so in separated.items() if is_so is None]
    measured = f"on {', '.join(won) or 'none'}" + (f"; not judged: {', '.join(unknown)}" if unknown else "")
    met = True if len(won) >= _REQUIRED_TASKS else None if len(won) + len(unknown) >= _REQUIRED_TASKS else False
    claim = f"{TITLES[name]}: AER on unseen contexts above IQL, TD3+BC and CQL on merged data, intervals disjoint, on "
    return Verdict(claim + f"at least two of {len(TASKS)} tasks", measured, met)


def _answer(results: StudyResults, separated: Mapping[str, Mapping[str, bool | None]], partial: bool) -> str:
    won = [task for task, is_so in separated["perm"].items() if is_so]
    lost = [f"{TITLES[name]} on {task}" for name, by_task in separated.items() for task, so in by_task.items() if so is False]
    answer = (
        f"Average-MDP collapse: with the context hidden, PERM (IQL-nV) is above merged IQL, TD3+BC and CQL with disjoint "
        f"intervals on {len(won)} of {len(TASKS)} tasks ({', '.join(won) or 'none'})"
        + (", as far as there are cells to judge by" if partial else "")
        + (f"; not separated from all three: {'; '.join(lost)}." if lost else ".")
    )
    better = _better_if_benign(results)
    if better:
        answer += f" Where nothing is confounded, merged learners may be better, with disjoint intervals: {'; '.join(better)}."
    return answer


def _better_if_benign(results: StudyResults) -> list[str]:
    """Which merged learners are above which of PERM's variants on benign data."""
    better = []
    for task in TASKS:
        intervals = {name: results.interval(DataSettings(task, "benign"), name, aer()) for name in (*PER_CONTEXT, *MERGED)}
        for merged in MERGED:
            below = [TITLES[own] for own in PER_CONTEXT if is_above(intervals[merged], intervals[own])]
            if below:
                better.append(f"{TITLES[merged]}, above {' and '.join(below)} on {task}")
    return better


def _picture(results: StudyResults) -> Figure:
    """AER of each method; a panel for each task."""
    figure, panels = panel_row(len(TASKS), height=4.0)
    for axes, task in zip(panels, TASKS, strict=True):
        curves: Curves = {
            arrangement: {
                i + shift: results.interval(DataSettings(task, arrangement), name, aer()) for i, name in enumerate(_METHODS)
            }
            for shift, arrangement in ((-0.12, "confounded"), (0.12, "benign"))
        }
        draw_curves(axes, curves, linestyle="none")
        axes.set(title=task, ylabel=AER_LABEL)
    finish(panels)
    labels = [TITLES[name].replace(", ", "\n", 1) for name in _METHODS]
    for axes in panels:
        axes.set_xticks(range(len(_METHODS)), labels, rotation=60, fontsize=7)
    return figure


STUDY = Study("collapse", "Average-MDP collapse", _conditions(), _section, seeds=range(10))
