"""What the report says: feedback.md, and every number in feedback.json."""

import json
from typing import Any

import numpy as np

from offctx.evaluation.statistics.joint import joint_means
from offctx.files import write_file
from tools.reproduce.frame.cells import Results
from tools.reproduce.frame.experiment import Destination
from tools.reproduce.frame.markdown import paragraph, table

_QUESTION = (
    "Linear feedback with gains that are searched in the simulator (cross-entropy method) in the contexts of a sweep, on other "
    "start states than those scored here. Told: its features are multiplied by 1, c and c^2, c the swept coordinate. Not "
    "told: the same without c. Both know more than a learner of data at c0, and a policy that is not linear may do better "
    "than either: the difference says what the context is worth to such a controller, and the column "
    '"not told" what a method must beat before one may say that the task cannot be solved without the context.'
)


def write_report(results: Results, destination: Destination) -> None:
    """Write feedback.md and feedback.json."""
    returns: dict[tuple[str, str], dict[str, list[Any]]] = {}
    for cell, result in results.finished:
        env, sweep, kind, _ = map(str, cell.key)
        returns.setdefault((env, sweep), {}).setdefault(kind, []).append(result["returns"])
    rows, record = [], []
    for (env, sweep), kinds in returns.items():
        if set(kinds) != {"told", "not told"}:
            continue
        runs = min(map(len, kinds.values()))
        arms = joint_means({kind: np.array(kinds[kind][:runs]) for kind in ("told", "not told")})
        shown = [arms.interval(weights, 0.95) for weights in ((1, 0), (0, 1), (1, -1))]
        rows.append([env, sweep.removeprefix("sweep_"), *map(str, shown)])
        names = ("told", "not told", "told - not told")
        record.append({"env": env, "sweep": sweep, **{n: i.to_dict() for n, i in zip(names, shown, strict=True)}})
    lines = ["# What is feedback worth without the context?", "", *paragraph(_QUESTION), ""]
    lines += [*results.missing_lines(), ""] if results.missing else []
    lines += [*paragraph(f"Command: `{destination.command}`. {results.provenance()}."), *results.unclean_lines(), ""]
    lines += table(["environment", "sweep", "told", "not told", "told - not told"], rows)
    write_file(destination.folder / "feedback.md", "\n".join(lines) + "\n")
    facts = {"command": destination.command, "commits": results.cell_commits, "answers": record}
    write_file(destination.folder / "feedback.json", json.dumps(facts, allow_nan=False) + "\n")
