"""The benchmark runs, and reports what it measured. How fast anything is, no test asks."""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "benchmark.py"


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(TOOL), *arguments],
        capture_output=True, text=True, check=False, env=os.environ | environment,
    )  # fmt: skip


def test_json_markdown_and_raw_times_agree(tmp_path: Path) -> None:
    out, datasets, scratch = (tmp_path / name for name in ("out", "datasets", "scratch"))
    datasets.mkdir()
    scratch.mkdir()
    done = run(
        *("--quick", "--repeats", "2", "--only", "sample", "load-second", "cse-cost", "--json", "--out", str(out)),
        MINARI_DATASETS_PATH=str(datasets),
        TMPDIR=str(scratch),
    )
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


@pytest.mark.parametrize("arguments", [("--only", "no-such-race"), ("--repeats", "0"), ("--threads", "0")])
def test_bad_arguments_are_refused_before_anything_runs(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert "usage:" in done.stderr and " ..." not in done.stderr


def test_help_names_every_race() -> None:
    done = run("--help")
    assert done.returncode == 0
    names = ("sample", "fit-iql", "fit-td3plusbc", "fit-bc", "cse-cost", "collect", "load-first", "load-second", "evaluate")
    assert all(name in done.stdout for name in names)
