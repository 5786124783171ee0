"""A cell: one unit of work of an experiment, kept in one JSON file.

The result file holds the facts that every result needs (settings, commit, versions, command, time) beside the result. A
cell is finished when its file exists and was computed with the cell's present settings. A finished cell is never run
again, so that a run can be stopped at any time; the next run computes the rest.
"""

import hashlib
import json
import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from offctx.files import write_file
from tools import provenance
from tools.reproduce.frame.clean import NO_RECORD, unclean, unclean_lines

Result = dict[str, Any]
"""The content of a cell's result file."""

SUPERSEDED = "superseded"  # folder, beside result files, of results that were computed with other settings
PACKAGES = ("d3rlpy", "numpy", "torch")  # whose versions a result file names


@dataclass(frozen=True)
class Cell:
    """One unit of work.

    Attributes:
        key: what tells the cell from all others of its experiment, for example ("PendulumGoal", "td3", "cse", 0). If a
            report names missing cells (`Results.missing_lines`), the last part of the key must be the seed.
        path: the result file.
        compute: computes the result, a JSON object. It runs in another process.
        settings: everything that the result depends on, as plain JSON. A result with other settings is computed again.
        cost: expected seconds, for the progress bar.
        command: the command that started the run; it is stored in the result file.
    """

    key: tuple[str | int, ...]
    path: Path
    compute: Callable[[], Mapping[str, Any]]
    settings: Mapping[str, Any]
    cost: float = 1.0
    command: str = ""

    def __str__(self) -> str:
        return "/".join(map(str, self.key))

    def run(self) -> None:
        """Compute the result and write the result file.

        The result file names the code that the process had when it started its first cell, not the code at the end.
        """
        code = provenance.code_state_of_process()
        started = time.perf_counter()
        result = self.compute()
        seconds = round(time.perf_counter() - started, 1)
        write_result(self, {"seconds": seconds, **result}, code)

    def result(self) -> Result | None:
        """The stored result, or None if the cell is not finished."""
        try:
            result: Result = json.loads(self.path.read_text())
        except FileNotFoundError:
            return None
        # Result files of older versions have no settings.
        return result if result.get("settings", self.settings) == self.settings else None


def write_result(cell: Cell, result: Mapping[str, Any], code: provenance.CodeState) -> None:
    """Write a result file with its provenance. The file appears only when it is complete.

    Args:
        cell: whose result.
        result: a JSON object.
        code: that computed the result.
    """
    facts = {
        "key": list(cell.key),
        "settings": cell.settings,
        "commit": str(code),
        "changed": list(code.changed),
        "python": platform.python_version(),
        "versions": provenance.versions(PACKAGES),
        "command": cell.command,
        "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    cell.path.parent.mkdir(parents=True, exist_ok=True)
    _keep_superseded(cell)
    write_file(cell.path, json.dumps(facts | dict(result), allow_nan=False))


def _keep_superseded(cell: Cell) -> None:
    """Move an existing result with other settings to a folder beside it: no configuration that was run is lost."""
    try:
        settings = json.loads(cell.path.read_text()).get("settings")
    except FileNotFoundError:
        return
    if settings != cell.settings:
        folder = cell.path.parent / SUPERSEDED
        folder.mkdir(exist_ok=True)
        cell.path.replace(folder / f"{cell.path.stem}-{settings_digest(settings)}.json")


def settings_digest(settings: Any) -> str:
    """Eight characters that tell settings from others."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]


def plain(settings: Mapping[str, Any]) -> Result:
    """Settings as JSON stores them (tuples become lists), so that they compare equal to stored ones."""
    converted: Result = json.loads(json.dumps(settings, allow_nan=False))
    return converted


@dataclass(frozen=True)
class Results:
    """What is known about some cells.

    Attributes:
        finished: cells with their results.
        missing: the cells that are not finished.
        sources: the finished cells that the others have read, such as datasets, with their results.
        unrecorded: what they have read without a result file that says which code made it.
    """

    finished: Sequence[tuple[Cell, Result]]
    missing: Sequence[Cell]
    sources: Sequence[tuple[Cell, Result]] = ()
    unrecorded: Sequence[Cell] = ()

    @classmethod
    def read(cls, cells: Iterable[Cell]) -> "Results":
        """Read every result file."""
        read = [(cell, cell.result()) for cell in cells]
        finished = [(cell, result) for cell, result in read if result is not None]
        return cls(finished, [cell for cell, result in read if result is None])

    def others(self, folders: Iterable[Path]) -> list[Result]:
        """The stored results below some folders that are not among these: other settings, and cells not planned any more."""
        used = {cell.path for cell, _ in (*self.finished, *self.sources)}
        paths = sorted(path for folder in folders for path in folder.rglob("*.json") if path not in used)
        return [json.loads(path.read_text()) for path in paths]

    @property
    def commits(self) -> list[str]:
        """The commits that the results were computed at."""
        return sorted(set(self.cell_commits.values()))

    @property
    def cell_commits(self) -> dict[str, str]:
        """The commit of every finished cell and source, with the names of changed files; NO_RECORD where no file says it."""
        recorded = {str(cell): result["commit"] for cell, result in (*self.finished, *self.sources)}
        return recorded | {str(cell): NO_RECORD for cell in self.unrecorded}

    @property
    def unclean(self) -> dict[str, str]:
        """The cells and sources that are not known to come from a clean commit, and what is known of their commit."""
        return unclean(self.cell_commits)

    def versions(self, name: str) -> list[str]:
        """The versions of "python" or of a package that the results were computed with; older results do not say."""
        stored = ({"python": result.get("python"), **result.get("versions", {})} for _, result in self.finished)
        return sorted({facts.get(name) or "unknown" for facts in stored})

    @property
    def minutes(self) -> float:
        """The sum of all computing times."""
        return float(sum(result.get("seconds", 0.0) for _, result in self.finished)) / 60

    def provenance(self) -> str:
        """Where the numbers of a report come from: commits without the names of changed files, versions, computing time."""
        recorded = {commit.split(" ")[0] for commit in self.commits if commit != NO_RECORD}
        commits = ", ".join(sorted(recorded)) or "none"
        names = {"python": "Python"} | {package: package for package in PACKAGES}
        versions = ", ".join(f"{title} {' and '.join(self.versions(name)) or 'unknown'}" for name, title in names.items())
        return f"Cells run at {commits}; {versions}; {self.minutes:.0f} core-minutes of computing"

    def unclean_lines(self) -> list[str]:
        """For the top of a report: every cell that was not run from a clean commit."""
        return unclean_lines(self.cell_commits)

    def missing_lines(self) -> list[str]:
        """The missing cells as Markdown items, with the number of seeds; the last part of a key is the seed.

        Cells whose keys differ in the last part before the seed, and which miss as many seeds, share an item.
        """
        seeds: dict[tuple[str | int, ...], int] = {}
        for cell in self.missing:
            seeds[cell.key[:-1]] = seeds.get(cell.key[:-1], 0) + 1
        groups: dict[tuple[tuple[str | int, ...], int], list[str]] = {}
        for key, n in seeds.items():
            groups.setdefault((key[:-1], n), []).append(str(key[-1]))
        return [f"- Not run: {_names(*key, names)}." for key, names in groups.items()]


def _names(start: tuple[str | int, ...], seeds: int, names: Sequence[str]) -> str:
    """Such as "collapse / Dosing / cql, iql, 5 seeds each"."""
    each = " each" if len(names) > 1 else ""
    return f"{' / '.join([*map(str, start), ', '.join(names)])}, {seeds} seed{'s' if seeds > 1 else ''}{each}"
