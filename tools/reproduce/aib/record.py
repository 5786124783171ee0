"""NAME.json: every number of a report, with the settings of each cell."""

from collections.abc import Sequence
from typing import Any

from offctx.evaluation.statistics import GapClosed, Interval
from tools.reproduce.aib.claims import UNSEEN
from tools.reproduce.aib.methods import BLIND, CEILING
from tools.reproduce.aib.pilots import pilots
from tools.reproduce.aib.results import SPLITS, Group
from tools.reproduce.aib.settings import ONLINE_KIND
from tools.reproduce.frame.cells import Results
from tools.reproduce.frame.verdicts import Verdict

_PLAIN_INPUT = "dma-star"  # what adapters gain is the difference from it
_OF_A_CELL = ("key", "settings", "commit", "seconds", "returns", "adaptation", "behaviour", "leakage")


def compared_with(group: Group) -> tuple[str, ...]:
    """The methods that all others of a group are compared with."""
    return ("concat", "dr", _PLAIN_INPUT) if group.kind == ONLINE_KIND else (BLIND, CEILING, _PLAIN_INPUT)


def record(name: str, results: Results, groups: Sequence[Group], verdicts: Sequence[Verdict], command: str) -> dict[str, Any]:
    """The content of NAME.json.

    Args:
        name: "aib" or "aib-offline".
        results: of its cells.
        groups: of the results.
        verdicts: on the claims.
        command: that made the report.
    """
    return {
        "command": command,
        "commits": results.cell_commits,
        "missing": [str(cell) for cell in results.missing],
        "claims": [verdict.to_dict() for verdict in verdicts],
        "groups": [_numbers(group) for group in groups],
        "pilots": {} if name == "aib" else pilots(),
        "cells": [{key: result.get(key) for key in _OF_A_CELL} for _, result in results.finished],
    }


def _numbers(group: Group) -> dict[str, Any]:
    """The numbers of the tables of one group: an entry for each method, start and split."""
    others = compared_with(group)
    returns = [
        {"method": name, "start": start, "split": split}
        | {"aer": group.mean(name, start, split).to_dict(), "iqm": group.iqm(name, start, split).to_dict()}
        for name in group.runs
        for start in group.starts(name)
        for split in SPLITS
    ]
    differences = [
        entry | {"minus": other, "difference": _plain(group.difference(entry["method"], other, entry["start"], entry["split"]))}
        for entry in _unseen(group)
        for other in others
        if other != entry["method"] and group.seeds(entry["method"], other)
    ]
    learned = {name: group.learned(name) for name in group.runs}
    controls = {
        control: {split: group.control_mean(control, split).to_dict() for split in SPLITS} for control in group.controls
    }
    numbers: dict[str, Any] = {"task": group.task, "kind": group.kind, "returns": returns, "differences": differences}
    numbers |= {"learned": learned, "controls": controls}
    if group.kind == ONLINE_KIND:
        return numbers
    shares = [
        entry | {"share": _plain(group.share(entry["method"], BLIND, CEILING, entry["start"], entry["split"]))}
        for entry in _unseen(group)
        if entry["method"] not in (BLIND, CEILING)
    ]
    return numbers | {"behaviour": group.behaviour, "shares": shares}


def _unseen(group: Group) -> Sequence[dict[str, Any]]:
    """The methods of a group, their starts and the splits of unseen contexts."""
    return [
        {"method": name, "start": start, "split": split}
        for name in group.runs
        for start in group.starts(name)
        for split in UNSEEN
    ]


def _plain(value: Interval | GapClosed | None) -> dict[str, Any] | None:
    return None if value is None else value.to_dict()
