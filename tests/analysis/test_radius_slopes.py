"""The slope of errors and the largest radius within a tolerance, by hand."""

import numpy as np
import pytest

from offctx.analysis.radius.slopes import largest_within, log_slope

RADII = np.array([0.1, 0.2, 0.4, 0.8, 1.6])


def test_the_slope_is_fitted_above_rounding_and_below_the_effect() -> None:
    errors = 3 * RADII**2
    none = np.zeros(5)
    assert log_slope(RADII, errors, none, none) == pytest.approx(2)
    bent = np.where(RADII > 0.5, 99.0, errors)
    assert log_slope(RADII, bent, np.where(RADII > 0.5, 0.9, 0.01), none) == pytest.approx(2)
    assert log_slope(RADII, bent, np.full(5, 0.9), none) == pytest.approx(2), "the three smallest radii"
    assert np.isnan(log_slope(RADII, errors, none, errors))


@pytest.mark.parametrize(
    ("relative", "expected"),
    [
        ([0.0, 0.1, 0.1, 0.3, 0.1], 0.6),  # half-way between 0.4 and 0.8
        ([0.0, 0.1, 0.1, 0.2, 0.2], 1.6),
        ([0.3, 0.3, 0.3, 0.9, 0.3], 0.0),
        ([0.9, 0.3, 0.1, 0.3, 0.0], 0.6),  # jumps at the smallest radii are passed over
        ([0.0, np.nan, 0.4, np.nan, np.nan], 0.25),
        ([np.nan] * 5, 0.0),
    ],
)
def test_the_largest_radius_is_linear_between_radii(relative: list[float], expected: float) -> None:
    assert largest_within(RADII, np.array(relative), 0.2) == pytest.approx(expected)
