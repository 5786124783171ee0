"""A table that several studies have: which share of the gap from merged IQL to PERM each use of the labels closes."""

from collections.abc import Iterable

from tools.reproduce.frame.markdown import table
from tools.reproduce.perm.data import DataSettings
from tools.reproduce.perm.methods import LABELLED, TITLES
from tools.reproduce.perm.results import StudyResults, difference, gap_closed, interval_text

_LEARNERS = ("perm-one", *LABELLED)


def share_table(results: StudyResults, settings: Iterable[DataSettings]) -> list[str]:
    """Shares of the gap from merged IQL to PERM, joint over seeds; empty where the gap is not above 0."""
    rows = []
    for data in settings:
        iql, perm = results.aer(data, "iql"), results.aer(data, "perm")
        for name in _LEARNERS:
            scores = results.aer(data, name)
            gap = gap_closed(scores, iql, perm)
            if gap is not None:
                share = "" if gap.share is None else str(gap.share)
                rows.append([data.task, TITLES[name], interval_text(difference(scores, iql)), str(gap.difference), share])
    return table(["task", "learner", "less merged IQL", "PERM less merged IQL", "share of the gap"], rows) if rows else []


def share_sentences(results: StudyResults, settings: Iterable[DataSettings]) -> list[str]:
    """What each use of the labels closes, for the head of the report."""
    sentences = []
    for data in settings:
        gaps = {
            name: gap_closed(results.aer(data, name), results.aer(data, "iql"), results.aer(data, "perm")) for name in LABELLED
        }
        shares = [f"{TITLES[name]}: {gap.share}" for name, gap in gaps.items() if gap is not None and gap.share is not None]
        if shares:
            sentences.append(f"{data.task}: {'; '.join(shares)}")
    return sentences
