"""Average-MDP collapse (Proposition 4.1): where merging the data of all contexts hurts, and where it does not."""

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.figure import Figure

from offctx.evaluation.statistics import Interval
from tools.reproduce.frame.markdown import paragraph, table
from tools.reproduce.frame.verdicts import Threshold, Verdict, judge
from tools.reproduce.perm.cell import TRAIN
from tools.reproduce.perm.data import DataSettings
from tools.reproduce.perm.methods import LABELLED, MERGED, PER_CONTEXT, SEARCH, TITLES, method, seconds
from tools.reproduce.perm.pictures import AER_LABEL, Curves, draw_curves, finish, panel_row
from tools.reproduce.perm.results import NULLS, StudyResults, difference, interval_text, mean_interval
from tools.reproduce.perm.studies.shares import share_sentences, share_table
from tools.reproduce.perm.study import Condition, Section, Study
from tools.reproduce.perm.tasks import ARRANGED

_TASKS = {"confounded": tuple(ARRANGED), "benign": ("SimpleDirection", "Dosing")}
_METHODS = ("perm", "perm-gradient", "perm-one", *MERGED, *LABELLED)
_TEXT = (
    "The context is hidden from all policies. In easy contexts returns are high whatever the policy does. In the confounded "
    "arrangement, the easier a context, the poorer its behaviour and the more data it has (up to 8 times as much), as where "
    "experts are sent to hard cases. Data merged without labels then say that the actions of the poor behaviour have higher "
    "returns (Simpson's paradox). The tasks were arranged so on purpose. In the benign arrangement all contexts have as much "
    "data, of a behaviour half way between poor and good, so that nothing is confounded. There are 16 training contexts, "
    "drawn anew for each seed, and 48 unseen contexts of the same distribution. PERM with one critic set is PERM without "
    "its per-context critics: it shows what drawing all contexts equally often gives alone."
)
_LABELS_TEXT = (
    "PERM uses the labels of contexts; merged learners do not. Simpler uses of the labels: PERM with one critic set draws all "
    "contexts equally often; with centred rewards, merged IQL sees each reward less the mean reward of its context; in a third "
    "one, the critics of merged IQL see the context, and its actor does not. Shares of the gap from merged IQL to PERM are "
    "joint over seeds, and given where the interval of the gap lies above 0."
)


def _conditions() -> list[Condition]:
    """All methods on confounded data; all but CQL, which takes the longest, on benign data."""
    conditions = []
    for arrangement, tasks in _TASKS.items():
        for task in tasks:
            data = DataSettings(task, arrangement)
            names = [*SEARCH, *LABELLED] if arrangement == "confounded" else [name for name in SEARCH if name != "cql"]
            conditions += [Condition(data, name, method(name, task), seconds(name)) for name in names]
            conditions.append(Condition(data, "perm-one", method("perm", task, groups=1), seconds("perm-one")))
    return conditions


def _section(results: StudyResults) -> Section:
    lines = paragraph(_TEXT)
    lines += [line for task in ARRANGED.values() for line in paragraph(f"{task.name}: {task.text}")]
    for arrangement, tasks in _TASKS.items():
        head = [arrangement, "learner", "AER, unseen", "AER, training contexts", "PERM, expectile, less this", "seeds"]
        lines += table(head, [row for task in tasks for row in _rows(results, DataSettings(task, arrangement))])
    confounded = [DataSettings(task) for task in _TASKS["confounded"]]
    lines += paragraph(_LABELS_TEXT) + share_table(results, confounded)
    gains = {(name, data.task): _gain(results, data, name) for name in PER_CONTEXT for data in confounded}
    verdicts = [gain.verdict for gain in gains.values() if gain is not None]
    return Section(_answer(results, confounded), verdicts, lines, _picture(results))


def _rows(results: StudyResults, data: DataSettings) -> list[list[str]]:
    """The rows of one task."""
    perm, rows = results.aer(data, "perm"), []
    for name in (*_METHODS, *NULLS):
        scores = results.aer(data, name)
        if scores:
            intervals = [mean_interval(scores), mean_interval(results.aer(data, name, TRAIN))]
            gain = None if name == "perm" else difference(perm, scores)
            mark = " (not learned)" if name not in NULLS and results.learned(data, name) is False else ""
            rows.append([data.task, TITLES[name] + mark, *map(interval_text, [*intervals, gain]), str(len(scores))])
    return rows


class _Gain(NamedTuple):
    """A method less the best of merged learners and controls.

    Attributes:
        other: the best of them.
        interval: the difference.
        verdict: whether the method is above it.
    """

    other: str
    interval: Interval | None
    verdict: Verdict


def _gain(results: StudyResults, data: DataSettings, name: str) -> _Gain | None:
    """None where a learner is missing."""
    merged = [other for other in MERGED if data.arrangement == "confounded" or other != "cql"]
    other, scores = results.best(data, (*merged, *NULLS)), results.aer(data, name)
    if other is None or not scores:
        return None
    interval = difference(scores, results.aer(data, other))
    claim = f"{TITLES[name]} on {data}: above {TITLES[other]}, the best of the merged learners and controls"
    learned = results.learned(data, name) is not False
    return _Gain(other, interval, judge(claim, interval, Threshold(above=0), learned))


def _answer(results: StudyResults, confounded: Sequence[DataSettings]) -> str:
    benign = [DataSettings(task, "benign") for task in _TASKS["benign"]]
    arranged = {"where the tasks were arranged to confound": confounded, "where nothing is confounded": benign}
    sentences = [
        f"Average-MDP collapse, {words}: PERM, expectile (IQL-nV), less the best of the merged learners and controls, which "
        f"use no labels: {'; '.join(gains)}."
        for words, settings in arranged.items()
        if (gains := _gain_texts(results, settings))
    ]
    shares = share_sentences(results, confounded)
    if shares:
        sentences.append(f"The labels alone, without critics for each context, close of IQL to PERM: {'. '.join(shares)}.")
    return " ".join(sentences) or "Average-MDP collapse: not measured yet."


def _gain_texts(results: StudyResults, settings: Sequence[DataSettings]) -> list[str]:
    gains = {data.task: _gain(results, data, "perm") for data in settings}
    return [f"{task} {gain.interval} ({TITLES[gain.other]})" for task, gain in gains.items() if gain is not None]


def _picture(results: StudyResults) -> Figure:
    """AER of each method; a panel for each task."""
    figure, panels = panel_row(len(ARRANGED), height=4.0)
    for axes, task in zip(panels, ARRANGED, strict=True):
        curves: Curves = {
            arrangement: {
                i + shift: mean_interval(results.aer(DataSettings(task, arrangement), name)) for i, name in enumerate(_METHODS)
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
