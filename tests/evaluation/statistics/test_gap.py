"""The share of a gap that a method closes."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from offctx.evaluation.statistics import (
    gap,
    gap_closed,
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def flat(value: float, shape: tuple[int, int, int]) -> Any:
    return np.full(shape, value)


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
