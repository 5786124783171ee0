"""A result from changed code cannot be reported as clean."""

import argparse
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.tools.helpers import git
from tools import provenance
from tools.reproduce.frame import command
from tools.reproduce.frame.cells import Cell, Results
from tools.reproduce.frame.experiment import Destination, Experiment


def edit(repository: Path) -> dict[str, Any]:
    """A cell whose code changes while it runs."""
    (repository / "offctx" / "a.py").write_text("changed\n")
    return {"value": 1}


def value() -> dict[str, Any]:
    return {"value": 1}


class Ones(Experiment):
    """Three cells; its report is the top of a report."""

    name = "ones"
    description = "Ones."

    def cells(self, options: argparse.Namespace) -> Sequence[Cell]:
        return [Cell(("ones", "a", seed), options.work / f"{seed}.json", value, {}) for seed in range(3)]

    def write_report(self, results: Results, options: argparse.Namespace, destination: Destination) -> None:
        (destination.folder / "ones.md").write_text("\n".join(["# Ones", "", *results.unclean_lines()]))


def folders(tmp_path: Path) -> list[str]:
    return ["--jobs", "1", "--work", str(tmp_path / "work"), "--out", str(tmp_path / "out")]


def test_the_commit_is_that_of_the_start_of_the_work(repository: Path, tmp_path: Path) -> None:
    name = git(repository, "rev-parse", "--short", "HEAD")
    cell = Cell(("x", 0), tmp_path / "0.json", partial(edit, repository), {})
    cell.run()
    stored = json.loads(cell.path.read_text())
    assert (stored["commit"], stored["changed"]) == (name, []) and not provenance.code_state().clean
    git(repository, "commit", "--quiet", "--all", "--message", "two")
    cell.run()  # this process still has the code of the first commit
    assert json.loads(cell.path.read_text())["commit"] == name


def test_a_dirty_cell_is_named_at_the_top_and_never_clean(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment = Ones()
    options = command.parse(experiment, folders(tmp_path))
    first, *others = experiment.cells(options)
    first.run()
    (repository / "tools" / "b.py").write_text("two\n")
    provenance.code_state_of_process.cache_clear()  # as a new process
    for cell in others:
        cell.run()
    results = Results.read(experiment.cells(options))
    name = git(repository, "rev-parse", "--short", "HEAD")
    dirty = f"{name}-dirty (tools/b.py)"
    assert results.cell_commits == {"ones/a/0": name, "ones/a/1": dirty, "ones/a/2": dirty}
    assert json.loads(others[0].path.read_text())["changed"] == ["tools/b.py"]
    command.run(experiment, ["report", *folders(tmp_path)])
    assert capsys.readouterr().out.endswith("2 cells were not run from a clean commit\n")
    text = (tmp_path / "out" / "ones.md").read_text()
    assert text == f"# Ones\n\n**2 cells were not run from a clean commit:**\n\n- {dirty}: ones/a/1, 2\n"
    with pytest.raises(SystemExit, match="2 cells were not run from a clean commit: ones/a/1, ones/a/2"):
        command.run(experiment, ["report", "--clean", *folders(tmp_path)])


def test_a_dirty_tree_is_a_warning_and_with_clean_an_error(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "run_cells", lambda cells, *_: [cell.run() for cell in cells] and [])
    (repository / "tools" / "b.py").write_text("two\n")
    with pytest.raises(SystemExit, match=r"--clean: expected the code of a commit, found .*-dirty"):
        command.run(Ones(), ["run", "--clean", *folders(tmp_path)])
    assert not (tmp_path / "work").exists()
    command.run(Ones(), ["run", *folders(tmp_path)])
    assert "Warning: the code is not that of a commit" in capsys.readouterr().err
    command.run(Ones(), ["run", *folders(tmp_path)])  # nothing is missing, so nothing is run
    assert capsys.readouterr().err == ""
