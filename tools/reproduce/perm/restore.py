"""Cells from a published perm.json, as result files: `python -m tools.reproduce.perm.restore`.

perm.json has the mean return over each split and the costs of every cell, which is all that the report needs. A restored cell
is finished; `python tools/reproduce.py perm` then runs only the cells that were never published. Delete the working folder to
compute everything anew.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from offctx.files import write_file
from tools.reproduce.frame.cells import Cell, Result, settings_digest


def restored(cells: Iterable[Cell], published: Mapping[str, Any]) -> list[tuple[Cell, Result]]:
    """The cells that a published perm.json has, with their results; each split has one return, the mean over its contexts.

    A cell whose settings have changed since is left out.
    """
    entries = {(*entry["cell"].values(), entry["settings"]): entry for entry in published["cells"]}
    keys = [(cell, (*cell.key, settings_digest(cell.settings))) for cell in cells]
    found = [(cell, entries[key]) for cell, key in keys if key in entries]
    return [(cell, _result(cell, entry)) for cell, entry in found]


def _result(cell: Cell, entry: Mapping[str, Any]) -> Result:
    returns = {policy: {split: [mean] for split, mean in means.items()} for policy, means in entry["aer"].items()}
    kept = {name: entry[name] for name in ("commit", "cost", "behaviour", "seconds", "versions", "python") if name in entry}
    return {
        "key": list(cell.key),
        "settings": cell.settings,
        "seconds": entry["cost"].get("seconds", 0.0),
        **kept,
        "returns": returns,
    }


def main(arguments: list[str]) -> None:
    """Write a result file for each published cell of every study that has none."""
    from tools.reproduce.perm.studies import STUDIES

    report, work = (Path(each) for each in (arguments or ["docs/results/perm.json", "out/reproduce-perm"]))
    cells = [cell for study in STUDIES.values() for cell in study.cells(work)]
    pairs = restored(cells, json.loads(report.read_text()))
    missing = [(cell, result) for cell, result in pairs if not cell.path.exists()]
    for cell, result in missing:
        cell.path.parent.mkdir(parents=True, exist_ok=True)
        write_file(cell.path, json.dumps(result, allow_nan=False))
    print(f"{len(missing)} cells restored from {report} to {work}")


if __name__ == "__main__":
    main(sys.argv[1:])
