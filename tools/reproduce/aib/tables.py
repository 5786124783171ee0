"""The tables of one group of runs, in Markdown."""

from collections.abc import Sequence

from tools.reproduce.aib.claims import UNSEEN, share_text
from tools.reproduce.aib.methods import BLIND, CEILING, OFFLINE, ONLINE, Method
from tools.reproduce.aib.results import SPLITS, Group
from tools.reproduce.aib.settings import ONLINE_KIND
from tools.reproduce.aib.tasks import TASKS
from tools.reproduce.frame.markdown import table


def titles(group: Group) -> dict[str, Method]:
    """The methods of a group by name."""
    return dict(ONLINE if group.kind == ONLINE_KIND else OFFLINE)


def returns_table(group: Group) -> list[str]:
    """AER and IQM of each method after each start, in each split; and AER of controls."""
    methods = titles(group)
    rows = []
    for name in group.runs:
        for start in group.starts(name):
            means = [f"{group.mean(name, start, split)}; {group.iqm(name, start, split)}" for split in SPLITS]
            title = methods[name].title + (" (not learned)" if group.learned(name) is False else "")
            rows.append([title, start if methods[name].infers else "-", str(len(group.runs[name])), *means])
    rows += [[control, "-", "-", *(str(group.control_mean(control, split)) for split in SPLITS)] for control in group.controls]
    paper = TASKS[group.task].paper if group.kind == ONLINE_KIND else {}
    head = ["method", "start", "seeds", *(f"{split}: AER; IQM" for split in SPLITS)]
    lines = table(head, rows)
    if paper:
        figures = ", ".join(f"{methods[name].title if name in methods else name} {value}" for name, value in paper.items())
        lines += [f"The paper (100,000 updates, warm, 10 seeds; one number is a mean over splits): {figures}.", ""]
    return lines


def difference_table(group: Group, others: Sequence[str]) -> list[str]:
    """Each method less others, paired by seed, and less controls, in the splits of unseen contexts; nothing without a pair."""
    methods = titles(group)
    rows = [
        [methods[name].title, control, start, *(str(group.over_control(name, control, start, s)) for s in UNSEEN)]
        for name in group.runs
        for control in group.controls
        for start in group.starts(name)
    ]
    rows += [
        [methods[name].title, methods[other].title, start, *(str(group.difference(name, other, start, s)) for s in UNSEEN)]
        for name in group.runs
        for other in others
        if name not in others[others.index(other) :] and group.seeds(name, other)
        for start in group.starts(name)
    ]
    return table(["method", "minus", "start", *UNSEEN], rows) if rows else []


def share_table(group: Group) -> list[str]:
    """The share of the ceiling's gain over the blind learner, in the splits of unseen contexts; nothing without both."""
    rows = [
        [OFFLINE[name].title, start, *(share_text(group.share(name, BLIND, CEILING, start, split)) for split in UNSEEN)]
        for name in group.runs
        if name not in (BLIND, CEILING) and group.seeds(name, BLIND, CEILING)
        for start in group.starts(name)
    ]
    return table(["share of the ceiling's gain", "start", *UNSEEN], rows) if rows else []


def leakage_table(group: Group) -> list[str]:
    """What each encoder reads: the shares of the variance of z, as means over seeds, and the verdict of each seed."""
    rows = []
    for name in group.runs:
        if reports := group.leakage(name):
            shares = [_mean([report[part][0] for report in reports]) for part in ("dynamics", "behaviour", "window")]
            verdicts = [str(report["verdict"]) for report in reports]
            counts = ", ".join(f"{verdict} {verdicts.count(verdict)}" for verdict in dict.fromkeys(verdicts))
            rows.append([OFFLINE[name].title, *shares, counts])
    return table(["variance of z", "dynamics", "behaviour", "window", "verdicts (seeds)"], rows) if rows else []


def _mean(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{100 * sum(known) / len(known):.0f} %" if known else "-"
