"""perm.json: every cell with its mean returns, the choices, the verdicts, and the runs that are not in the tables."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tools.reproduce.frame.cells import Result, Results, settings_digest
from tools.reproduce.frame.markdown import table
from tools.reproduce.frame.verdicts import Verdict
from tools.reproduce.perm.cell import CONTROLS, UNSEEN
from tools.reproduce.perm.choices import Choice

_KEY = ("experiment", "data", "method", "seed")
_KEPT = ("behaviour", "seconds", "versions", "python")  # facts of a result file that stand in perm.json as they are


def report_record(
    results: Results,
    command: str,
    choices: Iterable[Choice],
    verdicts: Iterable[Verdict],
    others: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """The content of perm.json. Cells with the same data and method stand together."""
    groups: dict[tuple[str | int, ...], list[dict[str, Any]]] = {}
    for cell, result in results.finished:
        digest = {"settings": settings_digest(cell.settings)}
        groups.setdefault(cell.key[:-1], []).append(_entry(cell.key, result) | digest)
    return {
        "command": command,
        "commits": results.commits,
        "choices": [choice.to_dict() for choice in choices],
        "verdicts": [verdict.to_dict() for verdict in verdicts],
        "missing": [str(cell) for cell in results.missing],
        "cells": [entry for group in groups.values() for entry in group],
        "other_runs": list(others),
    }


def _entry(key: Sequence[str | int], result: Result) -> dict[str, Any]:
    """A cell in perm.json, with the mean return over each split instead of the return in each context."""
    means = {
        policy: {split: round(float(np.mean(returns)), 4) for split, returns in splits.items()}
        for policy, splits in result["returns"].items()
    }
    kept: Result = {name: result[name] for name in _KEPT if name in result}
    return {"cell": dict(zip(_KEY, key, strict=True)), "commit": result["commit"], "cost": result["cost"], **kept, "aer": means}


def other_runs(results: Results, studies: Iterable[str], folder: Path) -> list[dict[str, Any]]:
    """The trained learners that are in the folder of cells and not in the tables: other settings, or not planned any more.

    Args:
        results: of the report.
        studies: names of the studies that are reported.
        folder: of the cells.
    """
    stored = results.others(folder / study for study in studies)
    return [
        _entry(result["key"], result) | {"settings": {name: result["settings"][name] for name in ("learner", "evaluation")}}
        for result in stored
        if {"key", "settings", "returns"} <= set(result) and result["key"][2] != CONTROLS  # replays have no returns
    ]


def other_lines(others: Iterable[Mapping[str, Any]]) -> list[str]:
    """The same in Markdown: a row for each study, dataset and commit; nothing where there is no other run."""
    rows: dict[tuple[str, str, str], list[str]] = {}
    for run in others:
        study, data, method, seed = run["cell"].values()
        policy = "mode" if "mode" in run["aer"] else next(iter(run["aer"]))
        score = f"{method}, seed {seed}: {run['aer'][policy][UNSEEN]:.4g}"
        rows.setdefault((study, data, run["commit"].split(" ")[0]), []).append(score)
    if not rows:
        return []
    head = ["study", "data", "commit", "learner: AER, unseen"]
    return ["", "## Run, and not in the tables above", "", *table(head, [[*key, "; ".join(of)] for key, of in rows.items()])]
