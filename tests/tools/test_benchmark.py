"""The frame of the races: arguments, turns, results and reports. How fast anything is, no test asks."""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tools.benchmark import command
from tools.benchmark.report import format_time
from tools.benchmark.result import RaceResult
from tools.benchmark.timing import alternate

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools" / "benchmark.py"


def test_json_markdown_and_raw_times_agree(tmp_path: Path) -> None:
    out, datasets, scratch = (tmp_path / name for name in ("out", "datasets", "scratch"))
    datasets.mkdir()
    scratch.mkdir()
    arguments = ("--quick", "--repeats", "1", "--only", "sample", "load-second", "cse-cost", "--json", "--out", str(out))
    environment = os.environ | {"MINARI_DATASETS_PATH": str(datasets), "TMPDIR": str(scratch)}
    done = subprocess.run([sys.executable, str(TOOL), *arguments], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    report = json.loads((out / "benchmark.json").read_text())
    assert json.loads(done.stdout) == report  # and nothing else is on stdout
    assert [race["name"] for race in report["races"]] == ["sample", "load-second", "cse-cost"]
    assert report["torch_threads"] == 1 and report["quick"] and report["commit"]
    assert report["command"].startswith("python tools/benchmark.py --quick --repeats 1")
    lines = (out / "benchmark.md").read_text().splitlines()
    for race in report["races"]:
        ratio = statistics.median(race["peer"]) / statistics.median(race["ours"])
        assert race["ratio"] == pytest.approx(ratio)
        assert race["result"] == pytest.approx(100 / ratio if race["percent"] else ratio)
        assert race["met"] == (race["result"] <= race["target"] if race["percent"] else race["result"] >= race["target"])
        (line,) = (line for line in lines if line.startswith(f"| {race['name']} |"))
        shown = f"{race['result']:.2f}{' %' if race['percent'] else 'x'}"
        assert line.split(" | ")[3] == shown
        assert shown in next(line for line in done.stderr.splitlines() if line.startswith(f"{race['name']}  "))
    assert list(datasets.iterdir()) == [] and not list(scratch.glob("offctx-*"))  # nothing is left behind


def test_ratio_is_peer_over_ours_by_medians_and_a_cost_is_its_inverse_in_percent() -> None:
    race = RaceResult("r", "what", ours=[1.0, 2.0, 9.0], peer=[8.0, 7.0, 100.0], target=4)
    assert (race.ratio, race.result, race.met) == (4.0, 4.0, True)
    cost = RaceResult("c", "what", ours=[1.0, 2.0, 9.0], peer=[8.0, 7.0, 100.0], target=24, percent=True)
    assert (cost.ratio, cost.result, cost.met) == (4.0, 25.0, False)
    assert RaceResult.from_dict(cost.to_dict()) == cost


def test_contenders_take_turns_in_blocks() -> None:
    calls: list[str] = []

    def contender(name: str, seconds: float) -> Any:
        return lambda: calls.append(name) or seconds

    times = alternate(contender("A", 1.0), contender("B", 2.0), rounds=2, block=2)
    assert "".join(calls) == "AABBAABB"
    assert times == ([1.0] * 4, [2.0] * 4)


@pytest.mark.parametrize(("unit", "value", "shown"), [("s", 2.5, "2.5 s"), ("s", 3e-5, "30 µs"), ("MB", 0.5, "0.5 MB")])
def test_times_are_shown_in_a_unit_that_suits_them(unit: str, value: float, shown: str) -> None:
    assert format_time(value, unit) == shown


@pytest.mark.parametrize("arguments", [["--only", "no-such-race"], ["--only"], ["--repeats", "0"], ["--threads", "0"]])
def test_bad_arguments_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        command.parse(arguments)
    assert "usage:" in capsys.readouterr().err


def test_a_partial_run_does_not_replace_the_published_table() -> None:
    assert command.parse([]).out == TOOL.parents[1] / "docs" / "results"
    assert command.parse(["--quick"]).out is None and command.parse(["--only", "sample"]).out is None


def test_the_published_report_is_written_again_from_its_json_without_a_race(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("benchmark.json", "benchmark.md"):
        (tmp_path / name).write_bytes((ROOT / "docs" / "results" / name).read_bytes())
    published = (tmp_path / "benchmark.md").read_bytes()
    (tmp_path / "benchmark.md").unlink()
    monkeypatch.setattr(command, "run", None)
    monkeypatch.setattr(command, "quiet", lambda: None)  # for this process
    command.main(["--report-only", "--out", str(tmp_path)])
    assert (tmp_path / "benchmark.md").read_bytes() == published


def test_a_report_of_results_that_are_not_there_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        command.parse(["--report-only", "--out", str(tmp_path)])
    assert "there is no" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("words", [[str(TOOL)], ["-m", "tools.benchmark"]])
def test_the_tool_starts_as_a_file_and_as_a_module(words: list[str]) -> None:
    done = subprocess.run([sys.executable, *words, "--help"], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0 and done.stdout.startswith("usage: python tools/benchmark.py") and not done.stderr
