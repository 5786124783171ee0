"""The true coverage of intervals over seeds, by simulation."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from tools.reproduce.coverage import populations, rules
from tools.reproduce.coverage.experiment import (
    EXPERIMENT,
    measured,
    run_against_stable_controls,
    run_crossed,
    run_episodes,
    run_seeds,
)
from tools.reproduce.frame import command

ROOT = Path(__file__).parents[2]
SEED_STATISTICS = ("mean", "difference", "share", "iqm")


def coverages(found: Any, rule: str = "Student t") -> dict[str, float]:
    return {statistic: by_rule[rule]["coverage"] for statistic, by_rule in found["coverage"].items()}


@pytest.mark.parametrize("seeds", [5, 10])
def test_intervals_over_normal_seeds_cover_what_they_claim(seeds: int) -> None:
    """With 600 draws the standard error is 0.9 points; of the interquartile mean, with 150 draws, 1.8 points."""
    for statistic, covered in coverages(run_seeds("normal", seeds, 600)).items():
        assert abs(covered - 0.95) < (0.05 if statistic == "iqm" else 0.03), statistic


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [5, 10])
def test_intervals_over_normal_seeds_are_within_three_points_of_95(seeds: int) -> None:
    covered = coverages(run_seeds("normal", seeds, 8000))
    assert covered == {statistic: pytest.approx(0.95, abs=0.02) for statistic in SEED_STATISTICS}


def test_percentiles_over_five_seeds_would_cover_too_little() -> None:
    found = run_seeds("normal", 5, 600)
    assert all(found["coverage"][name]["percentile"]["coverage"] < 0.89 for name in ("mean", "difference", "share"))


def test_collapses_that_no_seed_shows_are_not_covered() -> None:
    """0.8^5 = 33 % of experiments have five good seeds."""
    found = run_seeds("collapsing", 5, 600)["coverage"]["mean"]["Student t"]
    assert found["coverage"] == pytest.approx(1 - 0.8**5, abs=0.06)


@pytest.mark.parametrize(("seeds", "none"), [(5, 0.8**5), (10, 0.8**10)])
def test_a_method_that_alone_collapses_is_often_called_above(seeds: int, none: float) -> None:
    """A true difference of 0: "above" wherever no seed that was run has collapsed. The standard error is at most 2 points."""
    for by_rule in run_against_stable_controls("only the method collapses", seeds, 600)["coverage"].values():
        found = by_rule["Student t"]
        assert found["above"] == pytest.approx(none, abs=0.06) and found["coverage"] == pytest.approx(1 - none, abs=0.06)


@pytest.mark.parametrize("seeds", [5, 10])
def test_against_stable_controls_a_skewed_method_is_covered_as_its_mean_is(seeds: int) -> None:
    """Nothing cancels in the difference: 83 to 85 %. With 600 draws the standard error is 1.5 points."""
    for by_rule in run_against_stable_controls("only the method is skewed", seeds, 600)["coverage"].values():
        found = by_rule["Student t"]
        assert 0.79 < found["coverage"] < 0.90 and found["above"] > 0.1, "intervals miss the truth from above alone"
        assert found["coverage"] + found["above"] > 0.98


@pytest.mark.parametrize("name", list(populations.METHOD_ALONE))
def test_where_only_the_method_fails_the_true_difference_is_0(name: str) -> None:
    draw = populations.METHOD_ALONE[name]
    arms = populations.against_stable_controls(draw, np.random.default_rng(0), 20_000, 5)
    assert [arm.mean() for arm in arms] == pytest.approx([0, 0, 0], abs=0.02)
    spreads = [arm.mean(axis=(2, 3)).std() for arm in arms]
    assert spreads[0] > 8 * spreads[1] and spreads[2] == 0 and arms[2].shape == (20_000, 1, 9, 1)


CROSSED = ("mean", "difference", "less zero", "share", "iqm")


@pytest.mark.parametrize(("starts", "seeds", "episodes"), [("half", 5, 8), ("most", 10, 64), ("little", 5, 64)])
def test_intervals_cover_other_seeds_and_other_start_states(starts: str, seeds: int, episodes: int) -> None:
    """With 400 draws the standard error is 1.1 points; of the interquartile mean, with 100 draws, 2.2 points."""
    found = run_crossed("normal", starts, seeds, episodes, 400)
    for statistic, covered in coverages(found).items():
        assert abs(covered - 0.95) < (0.06 if statistic == "iqm" else 0.03), statistic


@pytest.mark.slow
@pytest.mark.parametrize("starts", list(populations.STARTS))
@pytest.mark.parametrize("seeds", [5, 10])
@pytest.mark.parametrize("episodes", [8, 64])
def test_intervals_over_seeds_and_start_states_are_within_three_points_of_95(starts: str, seeds: int, episodes: int) -> None:
    covered = coverages(run_crossed("normal", starts, seeds, episodes, 3000))
    assert covered == {statistic: pytest.approx(0.95, abs=0.03) for statistic in CROSSED}


def test_intervals_over_seeds_alone_would_not_cover_other_start_states() -> None:
    found = run_crossed("normal", "most", 10, 64, 400)["coverage"]
    assert found["mean"]["seeds alone"]["coverage"] < 0.7 and found["less zero"]["seeds alone"]["coverage"] < 0.6


def test_crossed_arms_have_the_truth_that_coverage_is_measured_against() -> None:
    draw, rng = populations.normal, np.random.default_rng(0)
    arms = populations.crossed(draw, rng, 20_000, 5, 4, populations.STARTS["half"])
    means = [arm.mean(axis=(1, 2, 3)) for arm in arms]
    truths = [populations.SHARE * populations.GAP, 0, populations.GAP, populations.ZERO]
    assert [mean.mean() for mean in means] == pytest.approx(truths, abs=0.02)
    of_seeds, of_starts = 0.5 / 5, 0.5 / 5  # half of the squared error, beside noise of seeds in episodes and contexts
    assert means[0].var() == pytest.approx(of_seeds + of_starts * (1 + 0.25 / 5) + 0.3**2 / (5 * 2), rel=0.05)
    shape = (20_000, 5, 2, 4)
    assert arms.method.shape == shape and arms.zero.shape == (20_000, 1, 2, 4)


@pytest.mark.parametrize("episodes", [10, 64])
def test_episodes_that_start_alike_in_all_contexts_are_one_unit(episodes: int) -> None:
    found = run_episodes("one agent", episodes, 600)
    assert coverages(found)["mean"] == pytest.approx(0.95, abs=0.03)
    assert coverages(found, "contexts apart")["mean"] < 0.65


@pytest.mark.parametrize("name", list(populations.DISTRIBUTIONS))
def test_distributions_have_the_truth_that_coverage_is_measured_against(name: str) -> None:
    draw, rng = populations.DISTRIBUTIONS[name], np.random.default_rng(0)
    effects = draw(rng, (2_000_000,))
    assert (effects.mean(), effects.std()) == pytest.approx((0, 1), abs=0.02)
    method, baseline, reference = populations.three_methods(draw, rng, 20_000, 5)
    assert (method - baseline).mean() / (reference - baseline).mean() == pytest.approx(populations.SHARE, abs=0.01)
    assert populations.one_method(draw, rng, 20_000, 5).mean() == pytest.approx(0, abs=0.02)
    assert abs(populations.true_iqm(draw)) < (0.02 if name == "normal" else 0.4)


def test_percentiles_are_those_of_all_resamples() -> None:
    """Two seeds: resamples of 0 and 1 have means 0, 1/2, 1 with probabilities 1/4, 1/2, 1/4."""
    returns = np.array([0.0, 1.0]).reshape(1, 2, 1, 1)
    assert rules.percentiles("mean", [returns], expanded=False).tolist() == [[0, 1]]
    weighted = rules._weighted_tails(np.array([[1.0, 0.5, 0.0]]), np.array([0.25, 0.5, 0.25]), 0.25)
    assert weighted.tolist() == [[0.0, 0.5]]
    five = np.arange(5.0).reshape(1, 5, 1, 1)
    (low, high), (wide_low, wide_high) = (rules.percentiles("mean", [five], expanded=expanded)[0] for expanded in (False, True))
    assert wide_low < low < 2 < high < wide_high
    t = stats.t.ppf(0.975, 4) * np.sqrt(0.5)
    assert wide_high - wide_low < 2 * t  # it cannot reach as far as Student's


def test_measured_counts_intervals_that_contain_the_truth() -> None:
    bounds = np.array([[0.0, 2.0], [1.0, 4.0], [1.5, 2.5], [-1.0, 0.5]])
    assert measured(bounds, 1.0, 8) == {"coverage": 0.5, "reported": 0.5, "width": 1.75}
    assert measured(bounds[:0], 1.0, 8) == {"coverage": None, "reported": 0.0, "width": None}


def test_the_report_has_every_cell(tmp_path: Path) -> None:
    arguments = ["--draws", "20", "--report-only", "--work", str(tmp_path / "work"), "--out", str(tmp_path)]
    for cell in EXPERIMENT.cells(command.parse(EXPERIMENT, arguments)):
        cell.run()
    command.run(EXPERIMENT, arguments)
    report, text = json.loads((tmp_path / "coverage.json").read_text()), (tmp_path / "coverage.md").read_text()
    assert len(report["cells"]) == 12 and report["draws"] == 20 and report["command"] in text
    assert len(report["crossed"]) == 16
    crossed = next(cell for cell in report["crossed"] if (cell["starts"], cell["seeds"], cell["episodes"]) == ("most", 10, 8))
    row = next(line for line in text.splitlines() if line.startswith("| normal | most | 10 | 8 | "))
    assert row.endswith(f" {100 * crossed['coverage']['less zero']['seeds alone']['coverage']:.1f} % |")
    alone = next(cell["coverage"] for cell in report["cells"] if cell["distribution"] == "only the method collapses")
    row = next(line for line in text.splitlines() if line.startswith("| only the method collapses | 5 | "))
    assert row.endswith(f" {100 * alone['less zero']['Student t']['above']:.1f} % |")
    found = next(cell for cell in report["cells"] if (cell["distribution"], cell["number"]) == ("skewed", 10))
    row = next(line for line in text.splitlines() if line.startswith("| skewed | 10 | "))
    assert f"{100 * found['coverage']['mean']['Student t']['coverage']:.1f} %" in row


def test_the_published_coverage_is_in_the_documentation() -> None:
    published = (ROOT / "docs" / "results" / "coverage.md").read_text()
    documented = (ROOT / "docs" / "statistics.md").read_text()
    rows = [line for line in documented.splitlines() if line.startswith("| ")]
    assert len(rows) == 7 + 5 + 17 and all(row in published for row in rows)
