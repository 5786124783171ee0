"""What is read off errors as the radius grows: their slope, and the largest radius within a tolerance.

Dimensions: R radii.
"""

import numpy as np

from offctx.envs.base import Array

_ABOVE_ROUNDING = 30.0  # errors above this multiple of the rounding error are used
_SMALL = 0.1  # relative error up to which the quadratic term dominates: the slope is fitted below it
_FEWEST = 3  # radii that a slope is fitted to


def log_slope(radii: Array, errors: Array, relative: Array, rounding: Array) -> float:
    """Fits the slope of log error against log radius, where errors are well above rounding and well below the effect.

    Args:
        radii: (R,) ascending.
        errors: (R,).
        relative: (R,) error / effect.
        rounding: (R,) errors up to this size are rounding.

    Returns:
        the slope; NaN where too few errors are above rounding.
    """
    use = (errors > _ABOVE_ROUNDING * rounding) & (relative < _SMALL)
    if use.sum() < _FEWEST:
        use = errors > _ABOVE_ROUNDING * rounding
        use &= np.cumsum(use) <= _FEWEST  # the smallest radii
    if use.sum() < _FEWEST:
        return float("nan")
    return float(np.polyfit(np.log(radii[use]), np.log(errors[use]), 1)[0])


def largest_within(radii: Array, relative: Array, tolerance: float) -> float:
    """Returns the largest radius up to which the relative errors (R,) are within the tolerance.

    Errors above the tolerance at the smallest radii are passed over, up to the first radius within it: where the dynamics have
    contacts, a few transitions change by a jump, which is large beside the small effect of a small radius alone. A wrong
    derivative is wrong at all radii. Between two radii (R,) the error is taken as linear. The result is 0 where no radius is
    within the tolerance.
    """
    finite = np.isfinite(relative)
    radii, relative = radii[finite], relative[finite]
    within = relative <= tolerance
    if not within.any():
        return 0.0
    beyond = np.flatnonzero(~within & (np.cumsum(within) > 0))  # after the first radius within the tolerance
    if len(beyond) == 0:
        return float(radii[-1])
    i = int(beyond[0])
    share = (tolerance - relative[i - 1]) / (relative[i] - relative[i - 1])
    return float(radii[i - 1] + share * (radii[i] - radii[i - 1]))
