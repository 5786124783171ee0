"""The frame of the experiments: cells are kept, resumed and run side by side; failures and interrupts leave no process."""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tools.reproduce import registry
from tools.reproduce.command import main
from tools.reproduce.frame import command
from tools.reproduce.frame.cells import Cell, Results, plain
from tools.reproduce.frame.experiment import Destination, Experiment
from tools.reproduce.frame.parallel import run_cells

ROOT = Path(__file__).parents[2]


def square(x: int) -> Mapping[str, Any]:
    print(f"squaring {x}")
    if x < 0:
        raise ValueError("expected a number that is not negative")
    return {"value": x * x, "process": os.getpid(), "threads": os.environ["OMP_NUM_THREADS"]}


def cell(work: Path, x: int, **settings: Any) -> Cell:
    return Cell(("squares", x), work / f"{x}.json", partial(square, x), plain({"power": 2} | settings))


class Squares(Experiment):
    """A small experiment."""

    name = "squares"
    description = "Squares of numbers."
    fresh_processes = False
    partial_report = False
    has_quick = True

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--seeds", type=int, default=3)
        parser.add_argument("--only", nargs="+", default=None)

    def cells(self, options: argparse.Namespace) -> Sequence[Cell]:
        return [cell(options.work, x) for x in range(options.seeds)]

    def preparation(self, missing: Sequence[Cell], options: argparse.Namespace) -> Sequence[Cell]:
        return []

    def write_report(self, results: Results, options: argparse.Namespace, destination: Destination) -> None:
        values = [result["value"] for _, result in results.finished]
        (destination.folder / "squares.md").write_text(f"{values} by {destination.command}")


@pytest.mark.parametrize(
    ("fresh", "jobs"),
    [(False, 1), (True, 2), *(pytest.param(*case, marks=pytest.mark.slow) for case in ((False, 2), (True, 1)))],
)
def test_cells_are_kept_with_their_provenance_and_failures_do_not_stop_others(tmp_path: Path, fresh: bool, jobs: int) -> None:
    cells = [cell(tmp_path, x) for x in (2, -1, 3)]
    failed = run_cells(cells, jobs=jobs, logs=tmp_path / "logs", fresh_processes=fresh)
    assert failed == [cells[1]]
    results = Results.read(cells)
    assert [result["value"] for _, result in results.finished] == [4, 9] and results.missing == [cells[1]]
    for _, result in results.finished:
        assert {"key", "settings", "commit", "python", "versions", "command", "finished", "seconds"} <= set(result)
        assert result["process"] != os.getpid() and result["threads"] == "1"
    processes = {result["process"] for _, result in results.finished}
    assert not fresh or len(processes) == 2
    log = (tmp_path / "logs" / "squares--1.log").read_text()
    assert "squaring -1" in log and "expected a number that is not negative" in log
    assert results.missing_lines() == ["- Not run: squares, 1 seed."]
    assert results.versions("numpy") == [version("numpy")] and results.versions("python") == [platform.python_version()]


def test_a_result_with_other_settings_is_not_the_cells(tmp_path: Path) -> None:
    first, second = cell(tmp_path, 2), cell(tmp_path, 2, power=3)
    first.run()
    assert first.result() is not None and second.result() is None
    stored = json.loads(first.path.read_text())
    del stored["settings"]  # as older versions wrote result files
    del stored["python"], stored["versions"]
    first.path.write_text(json.dumps(stored))
    assert first.result() is not None
    assert Results.read([first]).versions("torch") == ["unknown"]
    assert plain({"sizes": (1, 2)}) == {"sizes": [1, 2]}


def test_a_result_with_other_settings_is_kept_when_the_cell_is_run_again(tmp_path: Path) -> None:
    for power in (2, 2, 3, 3):
        cell(tmp_path, 2, power=power).run()
    (kept,) = (tmp_path / "superseded").iterdir()
    assert json.loads(kept.read_text())["settings"] == {"power": 2}
    assert json.loads((tmp_path / "2.json").read_text())["settings"] == {"power": 3}


def test_a_second_start_runs_the_rest_and_a_report_runs_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = ["--work", str(tmp_path / "work"), "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit, match="The report needs all cells, but 3 are missing: squares/0"):
        command.run(Squares(), ["--report-only", *folders])
    command.run(Squares(), ["run", "--seeds", "2", "--jobs", "1", *folders])
    finished = {path: path.stat().st_mtime_ns for path in (tmp_path / "work").glob("*.json")}
    assert len(finished) == 2 and not (tmp_path / "out").exists()
    commands = {json.loads(path.read_text())["command"] for path in finished}
    assert commands == {"python tools/reproduce.py squares --seeds 2"}
    capsys.readouterr()
    command.run(Squares(), ["--jobs", "1", *folders])
    assert "1 cells: 100%" in capsys.readouterr().err
    assert all(path.stat().st_mtime_ns == time for path, time in finished.items())
    report = tmp_path / "out" / "squares.md"
    assert report.read_text() == "[0, 1, 4] by python tools/reproduce.py squares"
    report.unlink()
    command.run(Squares(), ["report", *folders])
    assert report.exists() and "cells" not in capsys.readouterr().err
    command.run(Squares(), ["--list", "--seeds", "5", *folders])
    assert "squares/4  1 s" in capsys.readouterr().out


class PartialSquares(Squares):
    """Its report can lack cells, and names them."""

    partial_report = True

    def write_report(self, results: Results, options: argparse.Namespace, destination: Destination) -> None:
        super().write_report(results, options, destination)
        stored = {"command": destination.command, "missing": [str(cell) for cell in results.missing]}
        (destination.folder / "squares.json").write_text(json.dumps(stored))


class RewritableSquares(Squares):
    """Its report can be written from its JSON file."""

    def rewrite_report(self, folder: Path) -> None:
        (folder / "squares.md").write_text("from squares.json")


@pytest.mark.parametrize("force", [[], ["--force"]])
@pytest.mark.parametrize("experiment", [Squares(), PartialSquares()])
def test_no_report_is_written_without_finished_cells(tmp_path: Path, experiment: Squares, force: list[str]) -> None:
    work, out = tmp_path / "work", tmp_path / "out"
    out.mkdir()
    (out / "squares.md").write_text("published")
    with pytest.raises(SystemExit, match=r"The report needs .* cell") as refused:
        command.run(experiment, ["--report-only", *force, "--work", str(work), "--out", str(out)])
    assert f"Cells were looked for in {work} (--work)" in str(refused.value)
    assert "run `python tools/reproduce.py squares`" in str(refused.value)
    assert [path.name for path in out.iterdir()] == ["squares.md"] and (out / "squares.md").read_text() == "published"


def test_a_report_with_more_missing_cells_needs_force(tmp_path: Path) -> None:
    experiment, work, out = PartialSquares(), tmp_path / "work", tmp_path / "out"
    report = ["--report-only", "--work", str(work), "--out", str(out)]
    for x in (0, 1):
        cell(work, x).run()
    command.run(experiment, report)  # nothing is replaced
    command.run(experiment, report)  # the same cells are missing
    published = (out / "squares.md").read_text()
    (work / "1.json").unlink()
    with pytest.raises(SystemExit, match="1 cells that the existing report has, for example squares/1") as refused:
        command.run(experiment, report)
    assert "--force" in str(refused.value) and str(work) in str(refused.value)
    assert (out / "squares.md").read_text() == published == "[0, 1] by python tools/reproduce.py squares"
    command.run(experiment, [*report, "--force"])
    assert (out / "squares.md").read_text() == "[0] by python tools/reproduce.py squares"
    (out / "squares.json").unlink()  # an existing report that does not say which cells it has
    with pytest.raises(SystemExit, match="would not have 2 cells"):
        command.run(experiment, report)
    for x in (1, 2):
        cell(work, x).run()
    command.run(experiment, report)
    assert (out / "squares.md").read_text() == "[0, 1, 4] by python tools/reproduce.py squares"


def test_a_report_without_cells_comes_from_the_stored_numbers_of_the_same_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment, work, out = RewritableSquares(), tmp_path / "work", tmp_path / "out"
    report = ["--report-only", "--work", str(work), "--out", str(out)]
    with pytest.raises(SystemExit, match="3 are missing"):
        command.run(experiment, report)
    out.mkdir()
    (out / "squares.json").write_text(json.dumps({"command": "python tools/reproduce.py squares"}))
    command.run(experiment, report)
    stored = f"{out / 'squares'}.md, from the numbers stored in {out / 'squares'}.json: 3 cells are missing in {work}\n"
    assert (out / "squares.md").read_text() == "from squares.json" and capsys.readouterr().out == stored
    with pytest.raises(SystemExit, match="2 are missing"):
        command.run(experiment, [*report, "--seeds", "2"])
    for x in range(3):
        cell(work, x).run()
    command.run(experiment, report)
    assert (out / "squares.md").read_text() == "[0, 1, 4] by python tools/reproduce.py squares"


def test_the_shown_command_leaves_out_what_changes_no_result() -> None:
    options = command.parse(Squares(), ["--quick", "--jobs", "3", "--out", "x", "--only", "a", "b", "--seeds", "2"])
    shown = "python tools/reproduce.py squares --seeds 2 --only a b --quick"
    assert command.shown_command(Squares(), options) == shown
    assert options.work == Path("out/reproduce-squares/quick")


@pytest.mark.parametrize("arguments", [["--seeds", "0"], ["--jobs", "0"], ["nothing"]])
def test_bad_arguments_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        command.parse(Squares(), arguments)
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "fresh"),
    [
        (signal.SIGINT, False),
        (signal.SIGTERM, True),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in ((signal.SIGTERM, False), (signal.SIGINT, True))),
    ],
)
def test_an_interrupt_ends_every_process(tmp_path: Path, fresh: bool, number: signal.Signals) -> None:
    (tmp_path / "sleeper.py").write_text(
        textwrap.dedent(f"""
            import os, signal, time
            from functools import partial
            from pathlib import Path
            from tools.reproduce.frame.cells import Cell
            from tools.reproduce.frame.parallel import run_cells

            WORK = Path({str(tmp_path)!r})

            def sleep(x):
                (WORK / f"started-{{x}}").write_text(str(os.getpid()))
                time.sleep(600)
                return {{}}

            if __name__ == "__main__":
                signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job starts with it ignored
                cells = [Cell(("sleep", x), WORK / f"{{x}}.json", partial(sleep, x), {{}}) for x in range(4)]
                run_cells(cells, 2, WORK / "logs", fresh_processes={fresh})
        """)
    )
    run = subprocess.Popen(
        [sys.executable, str(tmp_path / "sleeper.py")], env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    wait_until(lambda: len(processes := list(tmp_path.glob("started-*"))) == 2 and all(p.read_text() for p in processes))
    started = [int(path.read_text()) for path in tmp_path.glob("started-*")]
    run.send_signal(number)
    assert run.wait(timeout=20) != 0
    wait_until(lambda: not any(alive(process) for process in started))
    assert len(list(tmp_path.glob("started-*"))) == 2


def wait_until(condition: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.1)


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_every_registered_experiment_is_complete() -> None:
    for name in registry.EXPERIMENTS:
        experiment = registry.load(name)
        assert experiment.name == name and experiment.description
        for task in ("all", "run", "report"):
            assert command.parse(experiment, [task, "--report-only"]).task == "report"
        keys = [cell.key for cell in experiment.cells(command.parse(experiment, []))]
        assert len(set(keys)) == len(keys) > 0


def test_an_interrupt_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tools.reproduce.command.run", interrupted)
    with pytest.raises(SystemExit, match="130"):
        main(["theory"])
    assert capsys.readouterr().err == "Interrupted. Finished cells are kept; the same command runs the rest.\n"


def test_help_names_every_experiment(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    text = capsys.readouterr().out
    assert all(f"{name}" in text and row.summary in text for name, row in registry.EXPERIMENTS.items())


def test_a_quick_report_says_that_its_numbers_mean_nothing(tmp_path: Path) -> None:
    for quick in (["--quick"], []):
        words = [*quick, "--work", str(tmp_path / "work"), "--out", str(tmp_path)]
        for each in Squares().cells(command.parse(Squares(), words)):
            each.run()
        command.run(Squares(), words)
        text = (tmp_path / "squares.md").read_text()
        assert ("its numbers mean nothing" in text) == bool(quick) and text.startswith("[0, 1, 4]")
