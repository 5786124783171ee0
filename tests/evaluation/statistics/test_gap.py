"""The share of a gap that a method closes."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from offctx.errors import EvaluationError
from offctx.evaluation.statistics import difference, gap_closed

# Mean returns of CSE, baseline and LDR, one row a seed.
PENDULUM = [
    [-103.5, -190.75, -120.59],
    [-104.7, -191.53, -101.19],
    [-114.62, -205.09, -116.54],
    [-131.63, -136.47, -99.91],
    [-98.89, -157.67, -111.01],
]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def flat(value: float, shape: tuple[int, int, int]) -> Any:
    return np.full(shape, value)


def test_gap_closed_by_hand() -> None:
    found = gap_closed(flat(-60, (1, 3, 4)), flat(-100, (1, 3, 4)), flat(-20, (1, 3, 4)))
    assert found.separated and found.reason is None and found.share is not None
    assert (found.share.estimate, found.share.low, found.share.high) == pytest.approx((0.5, 0.5, 0.5))  # 40 of 80
    assert found.difference.estimate == 80.0


def test_gap_closed_is_a_ratio_of_means_not_a_mean_of_ratios() -> None:
    baseline = np.zeros((1, 2, 3))
    reference = np.array([[[10.0] * 3, [90.0] * 3]])
    method = np.array([[[10.0] * 3, [0.0] * 3]])
    found = gap_closed(method, baseline, reference)
    assert found.share is not None
    assert found.share.estimate == pytest.approx(0.1)  # the mean of ratios would be 0.5


@pytest.mark.parametrize(("level", "share"), [(-120.0, -0.25), (-100.0, 0.0), (-20.0, 1.0), (20.0, 1.5)])
def test_gap_closed_sign(level: float, share: float) -> None:
    found = gap_closed(flat(level, (6, 3, 4)), flat(-100, (1, 3, 2)), flat(-20, (5, 3, 1)))
    assert found.share is not None
    assert found.share.estimate == pytest.approx(share)


def test_the_bounds_are_where_the_paired_difference_from_that_share_touches_zero() -> None:
    """Fieller's interval, by its definition: (method - baseline) - x (reference - baseline), seed by seed."""
    seeds = rng(9).normal(size=(7, 1, 1))
    method, baseline, reference = (level + seeds + rng(k).normal(size=(7, 2, 3)) for k, level in enumerate((2.0, 0.0, 5.0)))
    found = gap_closed(method, baseline, reference, confidence=0.9)
    assert found.share is not None and found.difference == difference(reference, baseline, confidence=0.9)
    for x, side in ((found.share.low, "low"), (found.share.high, "high")):
        left = difference(method - baseline, x * (reference - baseline), confidence=0.9)
        assert (left.low if side == "low" else left.high) == pytest.approx(0, abs=1e-9)
    shares = (method - baseline).mean(axis=(1, 2)) / (reference - baseline).mean(axis=(1, 2))
    assert found.seed_shares == pytest.approx(shares) and found.share.values == found.seed_shares
    assert found.share.over == "seeds and episodes"


def test_start_states_that_all_arms_share_do_not_widen_a_share() -> None:
    """Each start state shifts all arms alike, and cancels."""
    arms = [level + rng(k).normal(size=(7, 2, 3)) for k, level in enumerate((2.0, 0.0, 5.0))]
    starts = 20 * rng(9).normal(size=(1, 1, 3))
    apart, shared = gap_closed(*arms), gap_closed(*(arm + starts for arm in arms))
    assert apart.share is not None and shared.share is not None
    assert (shared.share.low, shared.share.high) == pytest.approx((apart.share.low, apart.share.high))


def test_a_share_is_reported_exactly_where_the_gap_is_above_zero_and_has_finite_bounds() -> None:
    """Degrees of freedom change with the share; the bounds stay finite up to the edge."""
    method, baseline, reference = (rng(k).normal(size=(5, 1, 4)) + 0.4 * rng(8).normal(size=(1, 1, 4)) for k in range(3))
    for level in np.linspace(0, 4, 60):
        found = gap_closed(method, baseline, reference + level)
        assert (found.share is not None) is (found.difference.low > 0) is found.separated
        if found.share is not None:
            assert found.share.low <= found.share.estimate <= found.share.high and math.isfinite(found.share.high)


def test_a_seed_that_fails_widens_the_interval_of_the_share() -> None:
    """Mean returns of TD3 on PendulumGoal over all sweeps: five seeds, the fourth of which closes 0.13 of its gap.

    Arms resampled apart gave [0.79, 1.19]; the joint percentile interval is [0.66, 1.19], too narrow for five seeds.
    """
    means = np.array(PENDULUM).T[:, :, None, None]
    found = gap_closed(*means)
    assert found.seed_shares == pytest.approx([1.24, 0.96, 1.02, 0.13, 1.26], abs=0.005)
    assert found.share is not None and found.share.estimate == pytest.approx(0.99, abs=0.005)
    assert (found.share.low, found.share.high) == pytest.approx((0.49, 1.32), abs=0.01)


def test_gap_closed_undefined_where_the_interval_includes_zero() -> None:
    base = rng().normal(size=(5, 3, 10))
    found = gap_closed(base, base, base + rng(1).normal(size=(5, 1, 1)))
    assert found.share is None and not found.separated and found.reason is not None
    assert str(found.difference) in found.reason and "not above 0" in found.reason
    assert found.difference.low < 0 < found.difference.high
    assert str(found).startswith("undefined: ")


def test_gap_closed_undefined_where_the_reference_is_below() -> None:
    found = gap_closed(flat(0, (1, 2, 4)), flat(0, (1, 2, 4)), flat(-5, (1, 2, 4)))
    assert found.share is None and not found.separated
    assert found.reason is not None and "below 0" in found.reason


def test_gap_closed_undefined_where_only_rounding_differs() -> None:
    few, many = flat(0.1, (1, 1, 3)), flat(0.1, (1, 1, 10))
    assert many.mean() != few.mean()  # so the pair, in one order or the other, would pass as separated
    for baseline, reference in ((few, many), (many, few)):
        assert gap_closed(few, baseline, reference).share is None


def test_gap_closed_undefined_for_one_episode_of_one_run() -> None:
    found = gap_closed(flat(0, (1, 2, 1)), flat(0, (1, 2, 1)), flat(9, (1, 2, 1)))
    assert found.share is None and found.reason is not None and "no interval" in found.reason
    json.dumps(found.to_dict(), allow_nan=False)


def test_two_to_four_seeds_show_their_shares_and_claim_nothing() -> None:
    method, baseline, reference = (np.array(seeds).reshape(3, 1, 1) for seeds in ([6.0, 4, 9], [0.0, 0, 9], [10.0, 16, 8]))
    found = gap_closed(method, baseline, reference)
    assert found.share is None and not found.separated
    assert found.seed_shares[:2] == (0.6, 0.25) and math.isnan(found.seed_shares[2])  # the third seed has no gap
    assert (
        str(found)
        == "undefined: an interval over seeds needs at least 5 of them, found 3; shares of the seeds: 0.60, 0.25, nan"
    )
    assert found.to_dict()["seed_shares"] == [0.6, 0.25, None]


def test_a_method_with_one_run_is_paired_with_every_seed() -> None:
    baseline, reference = flat(0, (5, 1, 1)), np.array([1.0, 2, 3, 4, 5]).reshape(5, 1, 1) + 10
    found = gap_closed(flat(6, (1, 1, 9)), baseline, reference)
    assert found.seed_shares == pytest.approx([6 / 11, 6 / 12, 6 / 13, 6 / 14, 6 / 15])
    assert found.share is not None and found.share.low < 6 / 13 < found.share.high


def test_seeds_of_other_numbers_are_not_paired() -> None:
    method, baseline, reference = (level + rng(k).normal(size=(6 - k, 1, 1)) for k, level in enumerate((5.0, 0.0, 9.0)))
    assert gap_closed(method, baseline, baseline + 9).seed_shares == ()
    assert gap_closed(method, baseline, reference).share is None  # four seeds of the reference
    assert gap_closed(method, method - 9, method).seed_shares == pytest.approx([1.0] * 6)


def test_episodes_of_one_agent_each_are_paired_too() -> None:
    starts = 10 * rng().normal(size=(1, 1, 30))
    method, baseline, reference = (level + starts + rng(k).normal(size=(1, 2, 30)) for k, level in enumerate((2.0, 0.0, 4.0)))
    found = gap_closed(method, baseline, reference)
    assert found.share is not None and found.share.over == "episodes" and found.seed_shares == ()
    assert found.share.high - found.share.low < 0.4  # apart, reference - baseline would have an error of 2.6


def test_bad_arguments_are_refused() -> None:
    returns = np.zeros((1, 2, 3))
    with pytest.raises(EvaluationError, match="method, baseline and reference, found 2, 3 and 2 contexts"):
        gap_closed(returns, np.zeros((1, 3, 3)), returns)
    with pytest.raises(EvaluationError, match="finite baseline"):
        gap_closed(returns, returns * math.nan, returns)


def test_seeds_that_differ_by_rounding_alone_have_a_share() -> None:
    """The margin is then a rounding error, and so is the place of the bounds: no root need be found between two steps."""
    draws = rng()
    for _ in range(300):
        baseline, gap, share = draws.normal(-50, 20, (5, 2, 6)), draws.uniform(10, 50), draws.uniform(-2, 2)
        closed = gap_closed(baseline + share * gap, baseline, baseline + gap)
        assert closed.share is not None and closed.share.low <= closed.share.high
        np.testing.assert_allclose([closed.share.low, closed.share.high], share, atol=1e-6)
