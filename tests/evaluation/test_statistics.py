"""The statistics against rliable, hand-computed numbers and simulated data of known truth."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from rliable import library, metrics

from offctx.errors import EvaluationError
from offctx.evaluation.statistics import (
    Interval,
    bootstrap,
    bootstrap_interval,
    context_intervals,
    gap,
    gap_closed,
    iqm,
    iqm_rows,
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def flat(value: float, shape: tuple[int, int, int]) -> Any:
    return np.full(shape, value)


def skewed_returns(contexts: int = 4, episodes: int = 12) -> Any:
    """(1, K, M) with unequal means and spreads, and outliers: mean, IQM and worst differ clearly."""
    noise = rng(3).exponential(size=(1, contexts, episodes)) * np.arange(1, contexts + 1)[:, None]
    return -noise - 3 * np.arange(contexts)[:, None]


# --- interquartile mean


def test_iqm_by_hand() -> None:
    # -50 and 1 are cut below, 6 and 100 above.
    assert iqm(np.array([[100.0, 1, 2, 3], [4, 5, 6, -50]])) == pytest.approx((2 + 3 + 4 + 5) / 4)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 7, 9, 30])
def test_iqm_equals_rliable(count: int) -> None:
    scores = rng(count).standard_t(2, size=(count, 3))
    assert iqm(scores) == pytest.approx(metrics.aggregate_iqm(scores), rel=1e-12)


def test_iqm_rows_is_iqm_of_each_row() -> None:
    scores = rng().normal(size=(6, 5, 3))
    assert iqm_rows(scores) == pytest.approx([metrics.aggregate_iqm(row) for row in scores])


# --- bootstrap: agreement with rliable


@pytest.mark.parametrize(
    ("statistic", "theirs"),
    [
        ("mean", metrics.aggregate_mean),
        ("iqm", metrics.aggregate_iqm),
        ("worst", lambda scores: scores.mean(axis=0).min()),
    ],
)
def test_one_run_equals_rliable_stratified_bootstrap(statistic: Any, theirs: Any) -> None:
    returns = skewed_returns()
    np.random.seed(1)  # rliable draws from the global state, whatever random_state it is given
    points, intervals = library.get_interval_estimates(
        {"method": returns[0].T}, lambda scores: np.array([theirs(scores)]), reps=8000
    )
    ours = bootstrap_interval(returns, statistic, rng=rng(), replicates=8000)
    low, high = intervals["method"][:, 0]
    tolerance = 0.04 * (high - low)  # about three Monte-Carlo standard errors of a 2.5 % percentile
    assert ours.estimate == pytest.approx(points["method"][0], rel=1e-12)
    assert ours.low == pytest.approx(low, abs=tolerance)
    assert ours.high == pytest.approx(high, abs=tolerance)


def test_one_run_distribution_is_stratified_not_pooled() -> None:
    """Contexts far apart, no noise within: a stratified mean cannot move, a pooled one would."""
    returns = np.repeat(np.array([0.0, 100.0, 1000.0]), 8).reshape(1, 3, 8)
    interval = bootstrap_interval(returns, rng=rng(), replicates=200)
    assert (interval.low, interval.high) == pytest.approx((interval.estimate, interval.estimate))


def test_context_intervals_equal_the_interval_of_each_context_alone() -> None:
    returns = skewed_returns(episodes=20)
    estimate, low, high = context_intervals(returns, rng=rng(), replicates=8000)
    assert estimate == pytest.approx(returns.mean(axis=(0, 2)))
    for k in range(returns.shape[1]):
        alone = bootstrap_interval(returns[:, k : k + 1], rng=rng(k + 9), replicates=8000)
        tolerance = 0.05 * (alone.high - alone.low)
        assert (low[k], high[k]) == pytest.approx((alone.low, alone.high), abs=tolerance)


# --- bootstrap: what is resampled


def coverage(confidence: float, shape: tuple[int, int, int], run_spread: float, draws: int = 300) -> float:
    """The share of intervals of the mean that contain the truth, 0 on average over runs and episodes."""
    generator = rng(11)
    runs, contexts, episodes = shape
    hits = 0
    for _ in range(draws):
        run = run_spread * generator.normal(size=(runs, 1, 1))
        returns = run + generator.normal(size=(runs, contexts, episodes))
        found = bootstrap_interval(returns, rng=generator, replicates=300, confidence=confidence)
        hits += found.low <= 0 <= found.high
    return hits / draws


@pytest.mark.parametrize(("confidence", "low", "high"), [(0.95, 0.90, 0.985), (0.5, 0.41, 0.58)])
def test_coverage_over_episodes_of_one_run(confidence: float, low: float, high: float) -> None:
    assert low <= coverage(confidence, (1, 4, 25), run_spread=0.0) <= high


def test_coverage_over_correlated_runs() -> None:
    """Were contexts resampled apart, coverage would fall to about 0.6 here."""
    assert 0.88 <= coverage(0.95, (25, 6, 2), run_spread=2.0) <= 0.985


def test_joint_resampling_of_runs_is_wider_when_runs_are_correlated() -> None:
    runs, contexts = 20, 10
    returns = rng().normal(size=(runs, 1, 1)) + 0.1 * rng(1).normal(size=(runs, contexts, 3))
    joint = bootstrap_interval(returns, rng=rng(), replicates=2000)
    # One run whose "episodes" are the runs: each context is resampled on its own.
    apart = bootstrap_interval(returns.mean(axis=2).T[np.newaxis], rng=rng(), replicates=2000)
    assert joint.estimate == pytest.approx(apart.estimate)
    assert (joint.high - joint.low) / (apart.high - apart.low) == pytest.approx(math.sqrt(contexts), rel=0.15)


def test_runs_are_the_unit_so_more_episodes_do_not_narrow_the_interval() -> None:
    run = rng().normal(size=(12, 3, 1))
    few = bootstrap_interval(np.repeat(run, 2, axis=2), rng=rng(), replicates=500)
    many = bootstrap_interval(np.repeat(run, 200, axis=2), rng=rng(), replicates=500)
    assert (many.low, many.high) == pytest.approx((few.low, few.high))


def test_worst_is_the_least_context_mean() -> None:
    returns = np.array([[[1.0, 3.0], [10.0, -8.0], [4.0, 4.0]]])
    assert bootstrap_interval(returns, "worst", rng=rng(), replicates=50).estimate == 1.0


def test_one_episode_of_one_run_has_no_interval() -> None:
    interval = bootstrap_interval([[[1.0], [3.0]]], rng=rng())
    assert interval.estimate == 2.0
    assert math.isnan(interval.low) and math.isnan(interval.high)
    assert str(interval) == "2 [no interval]"
    assert interval.to_dict()["low"] is None


def test_same_seed_same_interval_and_chunks_hold_every_replicate(monkeypatch: pytest.MonkeyPatch) -> None:
    returns = skewed_returns()
    whole = bootstrap_interval(returns, "iqm", rng=rng(5), replicates=4000)
    assert bootstrap_interval(returns, "iqm", rng=rng(5), replicates=4000) == whole
    seen: list[int] = []
    monkeypatch.setattr(bootstrap, "_CHUNK_ELEMENTS", 700 * returns.size)

    def counted(samples: Any) -> Any:
        seen.append(len(samples))
        return iqm_rows(samples)

    monkeypatch.setitem(bootstrap.STATISTICS, "iqm", counted)
    chunked = bootstrap_interval(returns, "iqm", rng=rng(5), replicates=4000)
    assert seen == [1, 700, 700, 700, 700, 700, 500]  # the estimate, then 4000 replicates
    tolerance = 0.06 * (whole.high - whole.low)
    assert (chunked.low, chunked.high) == pytest.approx((whole.low, whole.high), abs=tolerance)


# --- gap closed


def test_gap_closed_by_hand() -> None:
    found = gap_closed(flat(-60, (1, 3, 4)), flat(-100, (1, 3, 4)), flat(-20, (1, 3, 4)), rng=rng())
    assert found.separated and found.reason is None and found.share is not None
    assert found.share.estimate == found.share.low == found.share.high == 0.5  # 40 of 80
    assert found.difference.estimate == 80.0


def test_gap_closed_is_a_ratio_of_means_not_a_mean_of_ratios() -> None:
    baseline = np.zeros((1, 2, 3))
    reference = np.array([[[10.0] * 3, [90.0] * 3]])
    method = np.array([[[10.0] * 3, [0.0] * 3]])
    found = gap_closed(method, baseline, reference, rng=rng())
    assert found.share is not None
    assert found.share.estimate == pytest.approx(0.1)  # the mean of ratios would be 0.5


@pytest.mark.parametrize(("level", "share"), [(-120.0, -0.25), (-100.0, 0.0), (-20.0, 1.0), (20.0, 1.5)])
def test_gap_closed_sign(level: float, share: float) -> None:
    found = gap_closed(flat(level, (2, 3, 4)), flat(-100, (1, 3, 2)), flat(-20, (3, 3, 1)), rng=rng())
    assert found.share is not None
    assert found.share.estimate == pytest.approx(share)


def test_gap_closed_undefined_where_the_interval_includes_zero() -> None:
    noisy = rng().normal(size=(1, 3, 10))
    found = gap_closed(noisy, noisy, noisy + 0.01, rng=rng())
    assert found.share is None and not found.separated and found.reason is not None
    assert str(found.difference) in found.reason and "not above 0" in found.reason
    assert found.difference.low < 0 < found.difference.high
    assert str(found).startswith("undefined: ")


def test_gap_closed_undefined_where_the_reference_is_below() -> None:
    found = gap_closed(flat(0, (1, 2, 4)), flat(0, (1, 2, 4)), flat(-5, (1, 2, 4)), rng=rng())
    assert found.share is None and not found.separated
    assert found.reason is not None and "below 0" in found.reason


def test_gap_closed_undefined_where_only_rounding_differs() -> None:
    few, many = flat(0.1, (1, 1, 3)), flat(0.1, (1, 1, 10))
    assert many.mean() != few.mean()  # so the pair, in one order or the other, would pass as separated
    for baseline, reference in ((few, many), (many, few)):
        assert gap_closed(few, baseline, reference, rng=rng()).share is None


def test_gap_closed_undefined_for_one_episode_of_one_run() -> None:
    found = gap_closed(flat(0, (1, 2, 1)), flat(0, (1, 2, 1)), flat(9, (1, 2, 1)), rng=rng())
    assert found.share is None and found.reason is not None and "no interval" in found.reason
    json.dumps(found.to_dict(), allow_nan=False)


def test_ordered_ratio_sends_bad_denominators_to_infinity() -> None:
    ratio = gap._ordered_ratio(np.array([1.0, 1, -1, -1, 0, 3]), np.array([2.0, 0, 0, -4, -4, -1e-9]))
    assert ratio.tolist() == [0.5, math.inf, -math.inf, -math.inf, 0.0, math.inf]


def test_gap_closed_interval_covers_the_true_share() -> None:
    """The share of 0.4 lies in about 95 % of intervals when the gap is well above its noise."""
    generator, hits, draws = rng(2), 0, 200
    for _ in range(draws):
        method, baseline, reference = (level + generator.normal(size=(1, 3, 20)) for level in (0.8, 0.0, 2.0))
        found = gap_closed(method, baseline, reference, rng=generator, replicates=300)
        assert found.share is not None
        hits += found.share.low <= 0.4 <= found.share.high
    assert 0.89 <= hits / draws <= 0.99


def test_gap_closed_keeps_replicates_with_bad_denominators() -> None:
    """A gap that is separated only just, 15 % of whose replicates are not positive.

    Dropping them gives 0.13 to 2.2, the raw ratio -0.36 to 2.0.
    """
    base = np.array([[[-3.0, 3.0, -2.0, 2.0]]])
    found = gap_closed(base + 1.8, base, base + 1.8, rng=rng(), replicates=4000, confidence=0.7)
    assert found.share is not None and found.difference.low > 0
    assert -0.2 < found.share.low < found.share.estimate < 3 < found.share.high


# --- records and bad input


def test_interval_text_shows_two_digits_of_its_width() -> None:
    assert str(Interval(-85.34, -90.06, -80.21)) == "-85.3 [-90.1, -80.2]"
    assert str(Interval(0.6213, 0.551, 0.702)) == "0.62 [0.55, 0.70]"
    assert str(Interval(-1234.5, -1400.2, -1000.7)) == "-1234 [-1400, -1001]"
    assert str(Interval(5.0, 5.0, 5.0)) == "5 [5, 5]"
    unbounded = Interval(1.0, -math.inf, 2.0).to_dict()
    assert unbounded == {"estimate": 1.0, "low": None, "high": 2.0, "confidence": 0.95}


@pytest.mark.parametrize(
    ("returns", "words"),
    [
        (np.zeros((3, 4)), r"\(3, 4\)"),
        (np.zeros((1, 0, 4)), r"\(1, 0, 4\)"),
        ([[[1.0, math.nan], [2.0, math.inf]]], "2 of 4 entries"),
        ([[["a"]]], "array of numbers"),
    ],
)
def test_bad_returns_are_refused(returns: Any, words: str) -> None:
    for call in (bootstrap_interval, context_intervals):
        with pytest.raises(EvaluationError, match=words):
            call(returns, rng=rng())


def test_bad_settings_are_refused() -> None:
    returns = np.zeros((1, 2, 3))
    with pytest.raises(EvaluationError, match=r"'mean'.*found 'median'"):
        bootstrap_interval(returns, "median", rng=rng())  # type: ignore[arg-type]
    with pytest.raises(EvaluationError, match="between 0 and 1, found 95"):
        bootstrap_interval(returns, rng=rng(), confidence=95)
    with pytest.raises(EvaluationError, match="at least 2, found 0"):
        context_intervals(returns, rng=rng(), replicates=0)
    with pytest.raises(EvaluationError, match="Generator, found int"):
        bootstrap_interval(returns, rng=0)  # type: ignore[arg-type]
    with pytest.raises(EvaluationError, match="found 2, 3 and 2 contexts"):
        gap_closed(returns, np.zeros((1, 3, 3)), returns, rng=rng())
    with pytest.raises(EvaluationError, match="finite baseline"):
        gap_closed(returns, returns * math.nan, returns, rng=rng())
    with pytest.raises(EvaluationError, match="at least one score"):
        iqm([])
