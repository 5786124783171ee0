"""The demo over seeds: cells are run once, and the stored report is written again from its numbers."""

import json
from pathlib import Path
from typing import Any

import pytest

from offctx import ZeroShotReport
from offctx.training import demo as demo_setting
from tools.reproduce.demo import experiment
from tools.reproduce.demo.report import Facts, compare_seeds, markdown
from tools.reproduce.frame import command
from tools.reproduce.frame.cells import Cell

RESULTS = Path(__file__).parents[2] / "docs" / "results"


def stored_runs(algorithm: str) -> dict[str, list[ZeroShotReport]]:
    """method -> one report for each seed, from a stored report.json."""
    stored = json.loads((RESULTS / f"demo-{algorithm}" / "report.json").read_text())
    shared = {key: stored[key] for key in ("env_id", "context_names", "context_units")}

    def report(run: dict[str, Any]) -> ZeroShotReport:
        splits = {name: values | stored["splits"][name] for name, values in run["splits"].items()}
        return ZeroShotReport.from_dict(shared | run | {"splits": splits})

    return {method: [report(run) for run in values["runs"]] for method, values in stored["methods"].items()}


@pytest.mark.xfail(reason="published with percentile intervals, before those of Student's t; to be written again")
def test_the_stored_report_is_written_again_from_its_numbers() -> None:
    comparisons = {algorithm: compare_seeds(algorithm, stored_runs(algorithm)) for algorithm in ("td3", "sac")}
    shown = "python tools/reproduce.py demo --algorithms td3 sac --seeds 5"
    facts = Facts(5, 8000, shown, ["6888454"], python="3.11.7", torch="2.13.0+cpu")
    assert markdown(comparisons, facts) == (RESULTS / "demo.md").read_text()


def test_cells_are_run_once_and_the_report_is_written_from_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "datasets"))
    arguments = ["--algorithms", "td3", "--seeds", "2", "--steps", "7", "--jobs", "2"]
    arguments += ["--work", str(tmp_path / "work"), "--out", str(tmp_path / "out")]
    runs = stored_runs("td3")
    options = command.parse(experiment.EXPERIMENT, arguments)
    cells = experiment.EXPERIMENT.cells(options)
    assert [str(cell) for cell in cells] == [f"td3/{seed}/{method}" for seed in (0, 1) for method in demo_setting.METHODS]
    prepared = experiment.EXPERIMENT.preparation(cells, options)
    assert [str(cell) for cell in prepared] == ["data/base/0", "data/ldr/0", "data/base/1", "data/ldr/1"]
    for cell in cells:  # as if they had been run
        pretend(cell, runs[str(cell.key[2])][int(cell.key[1])])
    command.run(experiment.EXPERIMENT, arguments)
    output = capsys.readouterr()
    assert "cells" not in output.err and "demo.md" in output.out
    text = (tmp_path / "out" / "demo.md").read_text()
    assert "intervals over 2 seeds" in " ".join(text.split()) and "makes 7 gradient steps" in " ".join(text.split())
    assert "`python tools/reproduce.py demo --algorithms td3 --seeds 2 --steps 7`" in text
    assert (tmp_path / "out" / "demo-td3" / "report.json").exists()
    longer = command.parse(experiment.EXPERIMENT, [*arguments, "--steps", "8"])
    assert all(cell.result() is None for cell in experiment.EXPERIMENT.cells(longer))


def pretend(cell: Cell, report: ZeroShotReport) -> None:
    """Keep a stored report as the result of a cell."""
    Cell(cell.key, cell.path, lambda: {"report": report.to_dict()}, cell.settings).run()
