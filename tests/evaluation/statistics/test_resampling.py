"""Intervals of statistics other than the mean: their standard error over resampled units."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

from offctx.errors import EvaluationError
from offctx.evaluation.statistics import bootstrap_interval, iqm, iqm_rows, mean_interval, resampling
from offctx.evaluation.statistics.aggregates import GRADIENTS, STATISTICS, mean_rows


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("count", [2, 3, 5, 7])
def test_all_resamples_have_the_probabilities_of_drawing_with_replacement(count: int) -> None:
    rows, weights = resampling.all_resamples(count)
    assert len(rows) == math.comb(2 * count - 1, count) and weights.sum() == pytest.approx(1)
    if count <= 3:
        drawn = [tuple(sorted(draw)) for draw in itertools.product(range(count), repeat=count)]
        expected = {row: drawn.count(row) / len(drawn) for row in set(drawn)}
        assert {tuple(row): weight for row, weight in zip(rows.tolist(), weights, strict=True)} == pytest.approx(expected)


@pytest.mark.parametrize("count", [2, 6, 7])
def test_the_standard_error_of_a_mean_is_the_known_one(count: int) -> None:
    units = rng(count).exponential(size=(count, 4))
    known = units.mean(axis=1).std(ddof=1) / math.sqrt(count)
    assert resampling.standard_error(units, mean_rows, rng(), 10) == pytest.approx(known)


def test_drawn_resamples_agree_with_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    units = rng().exponential(size=(7, 4))
    exact = resampling.standard_error(units, iqm_rows, rng(), 2)
    monkeypatch.setattr(resampling, "_ENUMERATED", 0)
    assert resampling.standard_error(units, iqm_rows, rng(), 20_000) == pytest.approx(exact, rel=0.03)


@pytest.mark.parametrize("shape", [(6, 3, 1), (1, 3, 40)])
def test_iqm_is_its_estimate_plus_and_minus_a_t_quantile_of_the_standard_error(shape: tuple[int, int, int]) -> None:
    returns = rng().exponential(size=shape)
    units = returns.mean(axis=2) if shape[0] > 1 else returns[0].T
    found = bootstrap_interval(returns, "iqm", rng=rng(5), replicates=500)
    assert found.estimate == iqm(units) and found.over == ("seeds" if shape[0] > 1 else "episodes")
    t = {6: 2.570582, 40: 2.022691}[len(units)]  # of a printed table
    half = t * resampling.standard_error(units, iqm_rows, rng(5), 500)
    assert (found.low, found.high) == pytest.approx((found.estimate - half, found.estimate + half), rel=1e-6)
    assert found.values == (tuple(iqm(run) for run in units) if shape[0] > 1 else ())


def test_episodes_that_seeds_share_widen_the_interval_of_an_iqm() -> None:
    """All agents shift by the same start state, so that the interval is that of the start states, and no agents differ more."""
    starts, seeds = 5 * rng(1).normal(size=(1, 1, 12)), 0.1 * rng().normal(size=(6, 4, 1))
    found, alone = bootstrap_interval(seeds + starts, "iqm", rng=rng()), mean_interval(starts)
    assert found.high - found.low == pytest.approx(alone.high - alone.low, rel=0.02) and found.over == "seeds and episodes"
    assert found.estimate == iqm((seeds + starts).mean(axis=2))


@pytest.mark.parametrize("statistic", ["iqm", "worst"])
def test_weights_are_the_derivatives_of_a_statistic(statistic: str) -> None:
    units = rng().normal(size=(5, 7))
    weights, step = GRADIENTS[statistic](units), 1e-6
    for r, k in np.ndindex(units.shape):
        moved = units.copy()
        moved[r, k] += step
        slope = (STATISTICS[statistic](moved[None]) - STATISTICS[statistic](units[None])).item() / step
        assert slope == pytest.approx(weights[r, k], abs=1e-8)


def test_the_mean_is_the_interval_of_means_and_draws_nothing() -> None:
    returns = rng().normal(size=(9, 2, 3))
    generator = rng(3)
    assert bootstrap_interval(returns, "mean", rng=generator) == mean_interval(returns)
    assert generator.random() == rng(3).random()


def test_worst_is_the_least_context_mean() -> None:
    returns = np.array([[[1.0, 3.0], [10.0, -8.0], [4.0, 4.0]]])
    assert bootstrap_interval(returns, "worst", rng=rng(), replicates=50).estimate == 1.0


def test_up_to_seven_units_the_interval_does_not_depend_on_the_generator() -> None:
    few, many = rng().exponential(size=(7, 4, 2)), rng().exponential(size=(8, 4, 2))
    assert bootstrap_interval(few, "iqm", rng=rng(1)) == bootstrap_interval(few, "iqm", rng=rng(2))
    assert bootstrap_interval(many, "iqm", rng=rng(1)) == bootstrap_interval(many, "iqm", rng=rng(1))
    assert bootstrap_interval(many, "iqm", rng=rng(1)) != bootstrap_interval(many, "iqm", rng=rng(2))


def test_chunks_hold_every_replicate(monkeypatch: pytest.MonkeyPatch) -> None:
    returns = rng().exponential(size=(1, 4, 12))
    whole = bootstrap_interval(returns, "iqm", rng=rng(5), replicates=4000)
    seen: list[int] = []
    monkeypatch.setattr(resampling, "_CHUNK_ELEMENTS", 700 * returns.size)

    def counted(samples: Any) -> Any:
        seen.append(len(samples))
        return iqm_rows(samples)

    monkeypatch.setitem(STATISTICS, "iqm", counted)
    chunked = bootstrap_interval(returns, "iqm", rng=rng(5), replicates=4000)
    assert seen == [1, 700, 700, 700, 700, 700, 500]  # the estimate, then 4000 replicates
    assert (chunked.low, chunked.high) == pytest.approx((whole.low, whole.high))


def test_bad_settings_are_refused() -> None:
    returns = np.zeros((1, 2, 3))
    with pytest.raises(EvaluationError, match=r"'mean'.*found 'median'"):
        bootstrap_interval(returns, "median", rng=rng())  # type: ignore[arg-type]
    with pytest.raises(EvaluationError, match="between 0 and 1, found 95"):
        bootstrap_interval(returns, "iqm", rng=rng(), confidence=95)
    with pytest.raises(EvaluationError, match="at least 2, found 0"):
        bootstrap_interval(returns, "iqm", rng=rng(), replicates=0)
    with pytest.raises(EvaluationError, match="Generator, found int"):
        bootstrap_interval(returns, "iqm", rng=0)  # type: ignore[arg-type]
    with pytest.raises(EvaluationError, match="at least one score"):
        iqm([])
