"""The soft indicators are those of the suite, bit for bit: of arrays where it has arrays, of numbers where it has numbers."""

from typing import Any

import numpy as np
import pytest

from offctx.envs.dm_control.rewards import gaussian, gaussian_of_numbers, linear, quadratic, soft_indicator

rewards: Any = pytest.importorskip("dm_control.utils.rewards")
VALUES = np.concatenate([np.random.default_rng(0).normal(size=20_000) * 3, [0.0, -1.0, 1.0, 1e9]])


@pytest.mark.parametrize(("low", "high", "margin"), [(0.0, 0.0, 2.0), (1.2, np.inf, 0.6), (-1.0, 0.5, 5.0)])
@pytest.mark.parametrize(
    ("shape", "sigmoid", "at_margin"),
    [(gaussian, "gaussian", 0.1), (quadratic, "quadratic", 0.0), (linear(0.5), "linear", 0.5), (linear(0.0), "linear", 0.0)],
)
def test_indicators_of_arrays(low: float, high: float, margin: float, shape: Any, sigmoid: str, at_margin: float) -> None:
    expected = rewards.tolerance(VALUES, (low, high), margin, sigmoid, at_margin)
    np.testing.assert_array_equal(soft_indicator(VALUES, low, high, margin, shape), expected)


def test_the_gaussian_of_numbers_is_rounded_otherwise() -> None:
    expected = [rewards.tolerance(value, (0, 0), 2) for value in VALUES]
    np.testing.assert_array_equal(soft_indicator(VALUES, 0, 0, 2, gaussian_of_numbers), expected)
