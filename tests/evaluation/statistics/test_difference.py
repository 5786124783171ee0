"""Differences of methods: paired by seed, by episode, or independent."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from offctx.errors import EvaluationError
from offctx.evaluation.statistics import difference, mean_interval


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_methods_with_the_same_seeds_are_compared_seed_by_seed() -> None:
    seeds = 10 * rng().normal(size=(6, 1, 1))  # a bad seed is bad for both
    method, other = (seeds + rng(k).normal(size=(6, 2, 1)) for k in (1, 2))
    found = difference(method, other)
    paired = stats.ttest_rel(method.mean(axis=(1, 2)), other.mean(axis=(1, 2))).confidence_interval()
    assert (found.low, found.high) == pytest.approx(tuple(paired))
    assert found.values == pytest.approx((method - other).mean(axis=(1, 2))) and found.over == "seeds"
    permuted = difference(method, other[[1, 2, 3, 4, 5, 0]])  # other seeds in the same positions
    assert permuted.estimate == pytest.approx(found.estimate)
    assert permuted.high - permuted.low > 5 * (found.high - found.low)


def test_the_difference_of_paired_methods_is_the_mean_of_their_differences_episode_by_episode() -> None:
    common = 10 * rng().normal(size=(6, 1, 1)) + 10 * rng(5).normal(size=(1, 1, 8))  # what both share cancels
    method, other = (common + rng(k).normal(size=(6, 2, 8)) for k in (1, 2))
    found, alone = difference(method, other), mean_interval(method - other)
    assert (found.low, found.high) == pytest.approx((alone.low, alone.high))
    assert found.over == "seeds and episodes" and found.high - found.low < 2


def test_a_method_with_one_run_is_a_constant_over_seeds_and_varies_with_the_episodes() -> None:
    method = rng().normal(size=(5, 2, 3))
    zero = np.broadcast_to(100 * rng(1).normal(size=(1, 1, 3)), (1, 2, 3))
    found, alone = difference(method, zero), mean_interval(method - zero)
    assert (found.low, found.high) == pytest.approx((alone.low, alone.high))
    assert found.high - found.low > mean_interval(zero).high - mean_interval(zero).low - 5
    assert found.values == pytest.approx(alone.values) and found.over == "seeds and episodes"
    back = difference(zero, method)
    assert (back.low, back.high) == pytest.approx((-found.high, -found.low))


def test_different_numbers_of_seeds_are_independent() -> None:
    method, other = rng().normal(size=(5, 2, 1)), rng(1).normal(size=(8, 2, 7))
    found = difference(method, other)
    means = method.mean(axis=(1, 2)), other.mean(axis=(1, 2))
    error = math.sqrt(sum(mean.var(ddof=1) / len(mean) for mean in means))
    assert found.high - found.low == pytest.approx(2 * stats.t.ppf(0.975, 4) * error)
    assert found.values == () and found.over == "seeds"


def test_one_run_each_is_paired_by_episode() -> None:
    starts = 10 * rng().normal(size=(1, 1, 12))
    method, other = (starts + rng(k).normal(size=(1, 3, 12)) for k in (1, 2))
    found = difference(method, other)
    paired = stats.ttest_rel(method[0].mean(axis=0), other[0].mean(axis=0)).confidence_interval()
    assert (found.low, found.high) == pytest.approx(tuple(paired))
    assert found.over == "episodes" and found.values == ()


@pytest.mark.parametrize(("runs", "others"), [(2, 2), (4, 1), (9, 3), (1, 4)])
def test_too_few_seeds_of_either_method_give_no_interval(runs: int, others: int) -> None:
    found = difference(rng().normal(size=(runs, 2, 30)), rng(1).normal(size=(others, 2, 30)))
    assert math.isnan(found.low) and math.isnan(found.high) and found.over is None
    assert len(found.values) == (0 if runs == 9 else max(runs, others))


def test_one_episode_of_one_agent_gives_no_interval_of_a_difference() -> None:
    found = difference(np.ones((1, 2, 1)), np.zeros((1, 2, 9)))
    assert found.estimate == 1.0 and math.isnan(found.low) and found.over is None


def test_bad_arguments_are_refused() -> None:
    returns = np.zeros((5, 2, 3))
    with pytest.raises(EvaluationError, match="same contexts for method and other, found 2 and 3 contexts"):
        difference(returns, np.zeros((5, 3, 3)))
    with pytest.raises(EvaluationError, match="finite other"):
        difference(returns, returns * math.nan)
    for arm in (returns, returns[:2]):
        with pytest.raises(EvaluationError, match="between 0 and 1, found 1"):
            difference(arm, arm, confidence=1)
