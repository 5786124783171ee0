"""Errors over seeds and episodes that cross, against the table of a two-way analysis of variance."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from offctx.evaluation.statistics import difference, mean_interval
from offctx.evaluation.statistics.crossed import parts_of_arms, parts_of_mean


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def anova(table: np.ndarray) -> tuple[float, float, float]:
    """Mean squares of rows, columns and residual of a table (R, M), with one entry a cell, by their definitions."""
    R, M = table.shape
    rows, columns, grand = table.mean(axis=1), table.mean(axis=0), table.mean()
    of_rows = M * ((rows - grand) ** 2).sum() / (R - 1)
    of_columns = R * ((columns - grand) ** 2).sum() / (M - 1)
    total = ((table - grand) ** 2).sum()
    rest = total - (R - 1) * of_rows - (M - 1) * of_columns
    return of_rows, of_columns, rest / ((R - 1) * (M - 1))


def table_of(R: int, M: int, seeds: float, starts: float) -> np.ndarray:
    return seeds * rng(1).normal(size=(R, 1)) + starts * rng(2).normal(size=(1, M)) + rng(3).normal(size=(R, M))


@pytest.mark.parametrize(("seeds", "starts"), [(2.0, 3.0), (0.5, 9.0), (5.0, 1.0)])
def test_parts_are_mean_squares_and_degrees_are_satterthwaites(seeds: float, starts: float) -> None:
    table = table_of(6, 9, seeds, starts)
    of_rows, of_columns, rest = anova(table)
    parts = parts_of_mean(table[np.newaxis])
    assert (parts.seeds[0], parts.episodes[0], parts.residual[0]) == pytest.approx((of_rows / 54, of_columns / 54, rest / 54))
    combined = of_rows + of_columns - rest
    assert parts.variance[0] == pytest.approx(combined / 54)
    assert parts.degrees[0] == pytest.approx(combined**2 / (of_rows**2 / 5 + of_columns**2 / 8 + rest**2 / 40))
    found = mean_interval(table[:, np.newaxis])
    half = stats.t.ppf(0.975, parts.degrees[0]) * math.sqrt(combined / 54)
    assert (found.low, found.high) == pytest.approx((table.mean() - half, table.mean() + half))
    assert found.over == "seeds and episodes"


def test_without_an_effect_of_the_start_state_the_interval_is_that_over_seeds() -> None:
    table = np.repeat(rng().normal(size=(7, 1)), 12, axis=1)
    found = mean_interval(table[:, np.newaxis])
    low, high = stats.ttest_1samp(table[:, 0], 0).confidence_interval()
    assert (found.low, found.high) == pytest.approx((low, high))


def test_where_seeds_do_not_differ_the_interval_is_that_over_episodes() -> None:
    table = np.repeat(rng().normal(size=(1, 12)), 7, axis=0)
    found, one = mean_interval(table[:, np.newaxis]), mean_interval(table[:1, np.newaxis])
    assert (found.low, found.high) == pytest.approx((one.low, one.high))


def test_an_interval_is_never_without_the_larger_of_the_two_parts() -> None:
    """A residual above the episodes part would make the variance smaller than over seeds alone."""
    for seed in range(50):
        parts = parts_of_mean(rng(seed).normal(size=(1, 5, 6)))
        assert parts.variance[0] >= max(parts.seeds[0], parts.episodes[0]) and parts.degrees[0] >= 4


def test_agents_with_start_states_of_their_own_are_independent_seeds() -> None:
    """Matched by position, episodes that no agents share add nothing on average."""
    draws = [parts_of_mean(10 * rng(seed).normal(size=(1, 8, 20))) for seed in range(400)]
    seeds = np.mean([parts.seeds for parts in draws])
    crossed = np.mean([parts.seeds + parts.episodes - parts.residual for parts in draws])
    assert crossed == pytest.approx(seeds, rel=0.05) and seeds == pytest.approx(100 / 160, rel=0.05)


def test_covariances_are_the_parts_of_any_weighted_sum() -> None:
    starts = 3 * rng(7).normal(size=(1, 12))
    method, other = (starts + table_of(6, 12, 2.0, 1.0) * k for k in (1.0, 0.5))
    zero = 2 * starts
    parts = parts_of_arms([method, other, zero]).of(np.array([1.0, -0.4, -1.0]))
    alone = parts_of_mean((method - 0.4 * other - zero)[np.newaxis])
    for field in ("seeds", "episodes", "residual", "variance", "degrees"):
        assert getattr(parts, field) == pytest.approx(getattr(alone, field)[0]), field


def test_fewer_episodes_of_a_control_are_the_first_ones() -> None:
    """The control plays 8 of 40 episodes alike: its mean has the larger error, of which they share a fifth."""
    starts = rng().normal(size=(1, 40))
    method, zero = np.repeat(starts, 5, axis=0), 3 * starts[:, :8]
    parts = parts_of_arms([method, zero])
    variance = starts[0, :8].var(ddof=1)
    assert parts.episodes == pytest.approx(variance * np.array([[1 / 40, 3 / 40], [3 / 40, 9 / 8]]))
    assert (parts.seed_degrees, parts.episode_degrees) == (4, 7)


def test_against_a_zero_action_the_start_states_are_what_is_uncertain() -> None:
    """Five good agents return -1 from everywhere, standing still what the start state gives."""
    zero = -200 + 150 * rng().normal(size=(1, 2, 64)).mean(axis=1, keepdims=True) * np.ones((1, 2, 1))
    method = -1 + 0.1 * rng(1).normal(size=(5, 2, 64))
    found, alone = difference(method, zero), mean_interval(zero)
    assert found.high - found.low == pytest.approx(alone.high - alone.low, rel=0.02)
    assert found.values == pytest.approx(method.mean(axis=(1, 2)) - zero.mean())
