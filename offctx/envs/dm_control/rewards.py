"""The soft indicators that the suite's rewards are made of, for many rows at once. Source: arXiv 1801.00690.

The suite computes one row at a time. Functions here follow its order of operations, so that results agree bit for bit.

Dimensions: N rows.
"""

from collections.abc import Callable

import numpy as np

from offctx.envs.base import Array

Shape = Callable[[Array], Array]

_GAUSSIAN = np.sqrt(-2 * np.log(0.1))  # makes the Gaussian 0.1 at distance 1


def soft_indicator(values: Array, low: float, high: float, margin: float, shape: Shape) -> Array:
    """1 within [low, high], and a function of the distance from this interval outside.

    Args:
        values: (N,).
        low: of the interval.
        high: of the interval; may be infinite.
        margin: the unit of the distance.
        shape: from distances in units of the margin (N,) to numbers in [0, 1] (N,).

    Returns:
        (N,).
    """
    distances = np.where(values < low, low - values, values - high) / margin
    return np.where((low <= values) & (values <= high), 1.0, shape(distances))


def gaussian(distances: Array) -> Array:
    """exp(-1/2 (s d)^2), which is 0.1 at distance 1."""
    return np.asarray(np.exp(-0.5 * (distances * _GAUSSIAN) ** 2))


def gaussian_of_numbers(distances: Array) -> Array:
    """`gaussian`, rounded as where the suite computes it of a number and not of an array.

    NumPy squares numbers by the C library's `pow`, as Python does. It differs from x * x in one of 1,000 numbers.
    """
    squares = ((distances * _GAUSSIAN).astype(object) ** 2).astype(np.float64)
    return np.asarray(np.exp(-0.5 * squares))


def linear(at_margin: float) -> Shape:
    """The shape that falls linearly to `at_margin` at distance 1, and on to 0."""

    def shape(distances: Array) -> Array:
        scaled = distances * (1 - at_margin)
        return np.where(np.abs(scaled) < 1, 1 - scaled, 0.0)

    return shape


def quadratic(distances: Array) -> Array:
    """1 - d^2, and 0 from distance 1 on."""
    return np.where(np.abs(distances) < 1, 1 - distances**2, 0.0)
