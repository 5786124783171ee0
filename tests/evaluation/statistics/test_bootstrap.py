"""Bootstrap intervals, against rliable and on simulated data of known truth."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from rliable import library, metrics

from offctx.errors import EvaluationError
from offctx.evaluation.statistics import (
    bootstrap,
    bootstrap_interval,
    context_intervals,
    gap_closed,
    iqm,
    iqm_rows,
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def skewed_returns(contexts: int = 4, episodes: int = 12) -> Any:
    """(1, K, M) with unequal means and spreads, and outliers: mean, IQM and worst differ clearly."""
    noise = rng(3).exponential(size=(1, contexts, episodes)) * np.arange(1, contexts + 1)[:, None]
    return -noise - 3 * np.arange(contexts)[:, None]


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
