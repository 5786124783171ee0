"""Cells from a published perm.json, as result files: `python -m tools.reproduce.perm.restore`.

perm.json has the mean return over each split and the costs of every cell, which is all that the report needs. A restored cell
is finished; `python tools/reproduce.py perm` then runs only the cells that were never published. The runs that are not in the
tables are restored too, so that a report made anew still has them. Delete the working folder to compute everything anew.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from offctx.files import write_file
from tools.reproduce.frame.cells import SUPERSEDED, Cell, Result, Results, settings_digest
from tools.reproduce.perm.records import other_runs


def restored(cells: Iterable[Cell], published: Mapping[str, Any]) -> list[tuple[Cell, Result]]:
    """The cells that a published perm.json has, with their results; each split has one return, the mean over its contexts.

    A cell whose settings have changed since is left out.
    """
    entries = {(*entry["cell"].values(), entry["settings"]): entry for entry in published["cells"]}
    keys = [(cell, (*cell.key, settings_digest(cell.settings))) for cell in cells]
    published_cells = [(cell, entries[key]) for cell, key in keys if key in entries]
    return [(cell, _result(cell, entry)) for cell, entry in published_cells]


def _result(cell: Cell, entry: Mapping[str, Any]) -> Result:
    return {"seconds": entry["cost"].get("seconds", 0.0), **_facts(entry), "key": list(cell.key), "settings": cell.settings}


def _facts(entry: Mapping[str, Any]) -> Result:
    """What a result file has beside its key and its settings."""
    returns = {policy: {split: [mean] for split, mean in means.items()} for policy, means in entry["aer"].items()}
    kept = {name: entry[name] for name in ("commit", "cost", "behaviour", "seconds", "versions", "python") if name in entry}
    return {**kept, "returns": returns}


def restored_others(published: Mapping[str, Any], folder: Path) -> list[tuple[Path, Result]]:
    """The runs that are not in the tables of a published perm.json: result files, and their contents.

    Each stands where results with other settings are kept, so that it is never taken for a planned cell.

    Args:
        published: the content of perm.json.
        folder: of the cells.

    Raises:
        ValueError: a run whose names are no names of files.
    """
    files = []
    for entry in published["other_runs"]:
        names = [str(part) for part in entry["cell"].values()]
        if any(Path(name).name != name or name == ".." for name in names):
            raise ValueError(f"expected names without folders in other_runs of perm.json; found {names}")
        *folders, seed = names
        digest = settings_digest({"settings": entry["settings"], "commit": entry["commit"]})
        path = folder.joinpath(*folders, SUPERSEDED, f"seed{seed}-{digest}.json")
        files.append((path, {**_facts(entry), "key": list(entry["cell"].values()), "settings": entry["settings"]}))
    return files


def main(arguments: list[str]) -> None:
    """Write a result file for each published cell of every study that has none, and for each other run that is not there."""
    from tools.reproduce.perm.studies import STUDIES

    report, work = (Path(each) for each in (arguments or ["docs/results/perm.json", "out/reproduce-perm"]))
    cells, published = [cell for study in STUDIES.values() for cell in study.cells(work)], json.loads(report.read_text())
    missing = [(cell.path, result) for cell, result in restored(cells, published) if not cell.path.exists()]
    there = other_runs(Results.read(cells), STUDIES, work / "cells")
    absent = {**published, "other_runs": [entry for entry in published["other_runs"] if entry not in there]}
    others = restored_others(absent, work / "cells")
    for path, result in (*missing, *others):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, json.dumps(result, allow_nan=False))
    print(f"{len(missing)} cells and {len(others)} other runs restored from {report} to {work}")


if __name__ == "__main__":
    main(sys.argv[1:])
