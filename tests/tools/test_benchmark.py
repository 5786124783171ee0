"""The benchmark runs, and reports what it measured. How fast anything is, no test asks."""

import importlib.util
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "benchmark.py"


@pytest.fixture(scope="module")
def benchmark() -> Any:
    """The tool as a module; to import it runs nothing."""
    spec = importlib.util.spec_from_file_location("benchmark_tool", TOOL)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_json_markdown_and_raw_times_agree(tmp_path: Path) -> None:
    out, datasets, scratch = (tmp_path / name for name in ("out", "datasets", "scratch"))
    datasets.mkdir()
    scratch.mkdir()
    arguments = ("--quick", "--repeats", "2", "--only", "sample", "load-second", "cse-cost", "--json", "--out", str(out))
    environment = os.environ | {"MINARI_DATASETS_PATH": str(datasets), "TMPDIR": str(scratch)}
    done = subprocess.run([sys.executable, str(TOOL), *arguments], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    report = json.loads((out / "benchmark.json").read_text())
    assert json.loads(done.stdout) == report  # and nothing else is on stdout
    assert [race["name"] for race in report["races"]] == ["sample", "load-second", "cse-cost"]
    assert report["torch_threads"] == 1 and report["quick"] and report["commit"]
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


def test_ratio_is_peer_over_ours_by_medians_and_a_cost_is_its_inverse_in_percent(benchmark: Any) -> None:
    race = benchmark.Race("r", "what", ours=[1.0, 2.0, 9.0], peer=[8.0, 7.0, 100.0], target=4)
    assert (race.ratio, race.result, race.met) == (4.0, 4.0, True)
    cost = benchmark.Race("c", "what", ours=[1.0, 2.0, 9.0], peer=[8.0, 7.0, 100.0], target=24, percent=True)
    assert (cost.ratio, cost.result, cost.met) == (4.0, 25.0, False)


def test_contenders_take_turns_in_blocks(benchmark: Any) -> None:
    calls: list[str] = []

    def contender(name: str, seconds: float) -> Any:
        return lambda: calls.append(name) or seconds

    times = benchmark.alternate(contender("A", 1.0), contender("B", 2.0), rounds=2, block=2)
    assert "".join(calls) == "AABBAABB"
    assert times == ([1.0] * 4, [2.0] * 4)


@pytest.mark.parametrize(("unit", "value", "shown"), [("s", 2.5, "2.5 s"), ("s", 3e-5, "30 µs"), ("MB", 0.5, "0.5 MB")])
def test_times_are_shown_in_a_unit_that_suits_them(benchmark: Any, unit: str, value: float, shown: str) -> None:
    assert benchmark.show_time(value, unit) == shown


@pytest.mark.parametrize("arguments", [["--only", "no-such-race"], ["--only"], ["--repeats", "0"], ["--threads", "0"]])
def test_bad_arguments_are_refused(benchmark: Any, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        benchmark.parse(arguments)
    assert "usage:" in capsys.readouterr().err


def test_the_loop_that_ppe_races_against_is_the_same_mathematics(benchmark: Any) -> None:
    race = benchmark.ppe(benchmark.Bench(benchmark.QUICK, 1))  # asserts agreement to 1e-10 before it times anything
    assert race.name == "ppe" and race.target == 3 and len(race.ours) == len(race.peer) == 1


def test_a_partial_run_does_not_replace_the_published_table(benchmark: Any) -> None:
    assert benchmark.parse([]).out == TOOL.parents[1] / "docs" / "results"
    assert benchmark.parse(["--quick"]).out is None and benchmark.parse(["--only", "sample"]).out is None


def test_help_names_every_race(benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        benchmark.parse(["--help"])
    shown = capsys.readouterr().out
    assert len(benchmark.RACES) == 10 and all(name in shown for name in benchmark.RACES)
