"""Student t intervals of means, against scipy and on what resampling must respect."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from offctx.errors import EvaluationError
from offctx.evaluation.statistics import bootstrap_interval, context_intervals, mean_interval


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def scipy_bounds(units: Any, confidence: float = 0.95) -> tuple[float, float]:
    """Student's t interval of the mean of units (U,)."""
    low, high = stats.ttest_1samp(units, 0).confidence_interval(confidence)
    return low, high


@pytest.mark.parametrize("confidence", [0.95, 0.6])
@pytest.mark.parametrize("runs", [5, 12])
def test_over_seeds_alone_the_interval_is_students_of_the_means_of_the_runs(runs: int, confidence: float) -> None:
    """One episode per context; `test_crossed` has several."""
    returns = rng().normal(size=(runs, 3, 1)) + rng(1).normal(size=(runs, 1, 1))
    found = mean_interval(returns, confidence=confidence)
    assert (found.low, found.high) == pytest.approx(scipy_bounds(returns.mean(axis=(1, 2)), confidence))
    assert found.estimate == pytest.approx(returns.mean()) and found.over == "seeds"
    assert found.values == pytest.approx(returns.mean(axis=(1, 2)))


def test_over_episodes_of_one_run_an_episode_is_one_unit_in_all_contexts() -> None:
    """Episode m starts alike in every context, so that contexts are no independent evidence."""
    start = rng().normal(size=(1, 1, 30))
    returns = start + 0.01 * rng(1).normal(size=(1, 9, 30))
    found = mean_interval(returns)
    assert (found.low, found.high) == pytest.approx(scipy_bounds(returns[0].mean(axis=0)))
    assert found.over == "episodes" and found.values == ()
    one = mean_interval(returns[:, :1])
    assert found.high - found.low == pytest.approx(one.high - one.low, rel=0.05)  # nine contexts are worth one


@pytest.mark.parametrize("runs", [2, 3, 4])
def test_two_to_four_seeds_give_their_values_and_no_interval(runs: int) -> None:
    returns = rng().normal(size=(runs, 2, 50))
    for found in (mean_interval(returns), bootstrap_interval(returns, "iqm", rng=rng())):
        assert math.isnan(found.low) and math.isnan(found.high) and found.over is None
        assert len(found.values) == runs
    assert mean_interval(returns).values == pytest.approx(returns.mean(axis=(1, 2)))
    _, low, high = context_intervals(returns)
    assert np.isnan(low).all() and np.isnan(high).all()


def test_one_episode_of_one_run_has_no_interval() -> None:
    found = mean_interval([[[1.0], [3.0]]])
    assert found.estimate == 2.0 and found.over is None and found.values == ()
    assert math.isnan(found.low) and math.isnan(found.high)


@pytest.mark.parametrize("shape", [(7, 4, 3), (1, 4, 6)])
def test_an_interval_in_a_context_is_that_of_this_context_alone_to_the_last_bit(shape: tuple[int, int, int]) -> None:
    returns = rng().standard_t(3, size=shape)
    estimate, low, high = context_intervals(returns)
    for k in range(shape[1]):
        alone = mean_interval(returns[:, k : k + 1])
        assert (estimate[k], low[k], high[k]) == (alone.estimate, alone.low, alone.high)


def test_seeds_are_the_unit_so_more_episodes_do_not_narrow_the_interval() -> None:
    run = rng().normal(size=(12, 3, 1))
    few, many = mean_interval(np.repeat(run, 2, axis=2)), mean_interval(np.repeat(run, 200, axis=2))
    assert (many.low, many.high) == pytest.approx((few.low, few.high))


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
    for call in (mean_interval, context_intervals):
        with pytest.raises(EvaluationError, match=words):
            call(returns)
    with pytest.raises(EvaluationError, match=words):
        bootstrap_interval(returns, "iqm", rng=rng())


def test_bad_confidence_is_refused_with_and_without_an_interval() -> None:
    for returns in (np.zeros((1, 2, 1)), np.zeros((5, 2, 1))):
        for call in (mean_interval, context_intervals):
            with pytest.raises(EvaluationError, match="between 0 and 1, found 95"):
                call(returns, confidence=95)
