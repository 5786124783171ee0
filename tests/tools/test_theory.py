"""The theory checks run, and the tables say what was measured. What they measure, no test asks."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from offctx.linear import LinearCMDP
from tools.reproduce.frame import command
from tools.reproduce.theory.average_mdp import RISKY, fork
from tools.reproduce.theory.checks import CHECKS
from tools.reproduce.theory.environments import worst_case, worst_case_suboptimality
from tools.reproduce.theory.experiment import EXPERIMENT, run_check
from tools.reproduce.theory.goodness_of_fit import chi_square, count_one_sample_each, goodness_of_fit, p_value
from tools.reproduce.theory.pessimism import tuned
from tools.reproduce.theory.records import records_from_json
from tools.reproduce.theory.report import Report
from tools.reproduce.theory.sizes import Sizes, size_meanings
from tools.reproduce.theory.statistics import slope_interval, slopes
from tools.reproduce.theory.tables import values_text

ROOT = Path(__file__).parents[2]
SIZES: dict[str, list[float]] = {
    "seeds": [2],
    "jobs": [1],
    "population": [12],
    "environments": [2, 4],
    "trajectories": [20, 40],
    "fixed-environments": [3],
    "fixed-trajectories": [20],
    "many-trajectories": [30],
    "worst-states": [2],
    "samples": [2000],
    "betas": [0.1, 1],
    "restarts": [1],
    "iterations": [3],
}
TINY = [word for name, values in SIZES.items() for word in (f"--{name}", *map(str, values))]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The experiment with tiny sizes: its folder and its JSON. The cells run in this process."""
    out = tmp_path_factory.mktemp("theory")
    words = [*TINY, "--out", str(out), "--work", str(out / "work")]
    for cell in EXPERIMENT.cells(command.parse(EXPERIMENT, words)):
        cell.run()
    command.run(EXPERIMENT, words)
    return out, json.loads((out / "theory.json").read_text())


def test_every_check_is_there_with_its_picture_and_source(run: tuple[Path, dict[str, Any]]) -> None:
    out, report = run
    assert [check["name"] for check in report["checks"]] == [check.name for check in CHECKS]
    assert len(CHECKS) == 6
    for check in CHECKS:
        assert (out / f"theory-{check.name}.png").read_bytes().startswith(b"\x89PNG")
    text = (out / "theory.md").read_text()
    assert report["command"].startswith("python tools/reproduce.py theory --seeds 2") and report["command"] in text
    assert report["commit"] and f"Commit {report['commit']}" in text


def test_tables_show_what_every_seed_measured(run: tuple[Path, dict[str, Any]]) -> None:
    out, report = run
    text = (out / "theory.md").read_text()
    shown = {row.split(" | ")[0].removeprefix("| ") for row in text.splitlines() if row.startswith("| ")}
    for check, entry in zip(CHECKS, report["checks"], strict=True):
        groups = [panel.group for panel in check.panels]
        for item in entry["series"]:
            assert len(item["values"]) == (2 if check.seeded else 1)
            group, label = item["series"].split(": ", 1)
            if None in item["values"]:
                assert item["mean"] is None
                continue
            assert item["mean"] == pytest.approx(np.mean(item["values"]))
            assert item["low"] is None and item["high"] is None  # two seeds give no interval
            if group in groups:
                assert label in shown
                assert f" {values_text(item['values'])} |" in text


def test_the_count_of_thresholds_is_that_of_the_verdicts(run: tuple[Path, dict[str, Any]]) -> None:
    out, report = run
    text = (out / "theory.md").read_text()
    judged = [verdict for check in report["checks"] for verdict in check["verdicts"] if verdict["met"] is not None]
    met = sum(verdict["met"] for verdict in judged)
    assert f"{met} of {len(judged)} thresholds are met." in text
    assert text.count("| **not met** |") == len(judged) - met
    assert text.partition("thresholds are met.")[2].count("\n- ") == len(judged) - met
    for check in report["checks"]:
        for verdict in check["verdicts"]:
            assert f"| {verdict['claim']} | {verdict['found']} |" in text


def test_the_same_seed_measures_the_same(run: tuple[Path, dict[str, Any]]) -> None:
    _, report = run
    sizes = Sizes.from_values(report["sizes"])
    entries = {(item["series"], item["x"]): item["values"] for item in report["checks"][2]["series"]}
    for record in records_from_json(run_check("trajectories", 1, sizes)["records"]):
        assert entries[record.series, record.x][1] == pytest.approx(record.value, abs=1e-12)


def test_chi_square_by_hand() -> None:
    counts = np.array([[30.0, 70.0], [0.0, 0.0], [1.0, 3.0]])  # the last two rows expect fewer than 5
    statistic, freedom = chi_square(counts, np.full((3, 2), 0.5))
    assert (statistic, freedom) == (pytest.approx(2 * 20**2 / 50), 1)
    assert p_value(3.841458820694124, 1) == pytest.approx(0.05)
    assert chi_square(np.array([[1.0, 9.0]]), np.array([[0.0, 1.0]]))[0] == np.inf
    assert p_value(np.inf, 1) == 0


def test_each_trajectory_gives_one_sample() -> None:
    two, behaviour = fork(3)
    data = two[:1].sample(behaviour[0], 60, np.random.default_rng(0), bernoulli=True)
    next_states, rewards = count_one_sample_each(type(data)(*(array[0] for array in data)), 1, 2)
    assert next_states.sum(axis=(1, 2, 3)).tolist() == rewards.sum(axis=(1, 2, 3)).tolist() == [10, 10, 10]


def test_fit_tells_the_average_mdp_from_its_parts() -> None:
    rng = np.random.default_rng(0)
    pair = LinearCMDP.random_tabular(2, 3, 2, 2, rng, concentration=2.0)
    records = goodness_of_fit("fit", pair, rng.dirichlet(np.ones(2), size=pair.shape[:3]), 20_000, rng)
    p = {record.series.split(", ")[1]: record.value for record in records if record.series.startswith("fit: p,")}
    assert p["average MDP"] > 0.001 and p["first MDP"] < 1e-6 and p["second MDP"] < 1e-6


def test_slope_of_a_power_law_and_zeros_left_out() -> None:
    by_n = {n: [scale * n**-0.5 for scale in (3, 5, 4, 6, 5)] for n in (1, 4, 16)}
    at = slope_interval(by_n)
    assert (at.estimate, at.low, at.high) == tuple(pytest.approx(-0.5) for _ in range(3))
    assert np.isnan(slope_interval({n: values[:4] for n, values in by_n.items()}).low)  # four seeds
    rows = np.array([[1.0, 0.5, 0.0], [1.0, 2.0, 4.0], [1.0, 0.0, 0.0]])
    assert slopes(np.array([1.0, 2.0, 4.0]), rows) == pytest.approx([-1, 1, np.nan], nan_ok=True)
    noisy = np.random.default_rng(0).uniform(1, 2, size=(1, 5))
    x = np.array([1.0, 2, 3, 4, 9])
    assert slopes(x, noisy) == pytest.approx(np.polyfit(np.log(x), np.log(noisy[0]), 1)[:1])


def test_no_seed_tunes_for_itself() -> None:
    by_beta = {0.1: [0.0, 9.0, 9.0], 1.0: [5.0, 1.0, 1.0]}  # 0.1 is best for the first seed, 1 for the others
    assert tuned(by_beta, Sizes(betas=(0.1, 1.0))) == [5.0, 1.0, 1.0]


def test_worst_case_suboptimality_is_exact() -> None:
    n, H, S = 4, 2, 3
    rng = np.random.default_rng(0)
    policy = rng.dirichlet(np.ones(2), size=(H, S))
    best = np.zeros((H, S, 2))
    best[..., RISKY] = 1
    draws = [worst_case(n, H, S, rng) for _ in range(2000)]
    gaps = np.array([(drawn.returns(best) - drawn.returns(policy)).mean() for drawn in draws])
    error = gaps.std() / np.sqrt(len(gaps))
    assert error < 0.003
    assert worst_case_suboptimality(policy, n) == pytest.approx(gaps.mean(), abs=4 * error)


@pytest.mark.parametrize("arguments", [["--seeds", "0"], ["--jobs", "0"], ["--only", "nothing"]])
def test_bad_arguments_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        command.parse(EXPERIMENT, arguments)
    assert "usage:" in capsys.readouterr().err


def test_the_stored_report_is_written_again_from_its_numbers(tmp_path: Path) -> None:
    stored = ROOT / "docs" / "results"
    Report.read(stored / "theory.json").write(tmp_path)
    for name in ("theory.md", "theory.json"):
        assert (tmp_path / name).read_bytes() == (stored / name).read_bytes()
    assert len(list(tmp_path.glob("*.png"))) == len(CHECKS)


def test_report_only_uses_the_stored_numbers_where_cells_are_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored = ROOT / "docs" / "results"
    (tmp_path / "theory.json").write_bytes((stored / "theory.json").read_bytes())
    command.run(EXPERIMENT, ["--report-only", "--out", str(tmp_path), "--work", str(tmp_path / "work")])
    for name in ("theory.md", "theory.json"):
        assert (tmp_path / name).read_bytes() == (stored / name).read_bytes()
    assert f"from the numbers stored in {tmp_path / 'theory.json'}" in capsys.readouterr().out


def test_help_says_what_is_measured_and_what_every_size_means(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        command.parse(EXPERIMENT, ["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "Measures what the papers behind offctx.linear claim" in text
    assert set(size_meanings()) == {field.name for field in fields(Sizes)}
    assert "S, the number of states of a random instance (default 4)" in text
    assert all(meaning in text for meaning in size_meanings().values())


def test_a_report_from_the_cells_runs_nothing(
    run: tuple[Path, dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, _ = run
    command.run(EXPERIMENT, [*TINY, "--report-only", "--out", str(tmp_path), "--work", str(out / "work")])
    assert "cells" not in capsys.readouterr().err
    for name in ("theory.md", "theory.json"):
        assert (tmp_path / name).read_bytes() == (out / name).read_bytes()
