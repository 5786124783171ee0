"""Observation scalers that do not divide by the spread of a context.

Dimensions: N transitions, D what the agent sees, p context.
"""

import numpy as np
from d3rlpy.preprocessing import StandardObservationScaler

from offctx.contexts.space import ContextSpace
from offctx.envs.base import Array
from offctx.errors import DatasetError


def fitted_scaler(observations: Array, appended: ContextSpace | None, unscaled: int = 0) -> StandardObservationScaler:
    """A d3rlpy scaler fitted to data: observations by their mean and spread, appended contexts by the bounds of their space.

    Args:
        observations: (N, D), N >= 1.
        appended: the space of the p last coordinates of the observations; None where no context is appended. An unbounded
            coordinate is divided by 1.
        unscaled: how many numbers an augmentation appends, which stay as they are.

    Returns:
        The scaler with its means and standard deviations.

    Raises:
        DatasetError: there are no observations.
    """
    if not len(observations):
        raise DatasetError("a buffer without transitions has nothing to fit a scaler to")
    mean, std = observations.mean(axis=0, dtype=np.float64), observations.std(axis=0, dtype=np.float64)
    if appended is not None:
        mean[-appended.size :] = appended.default
        std[-appended.size :] = appended.half_widths(1.0)
    mean, std = np.append(mean, np.zeros(unscaled)), np.append(std, np.ones(unscaled))
    return StandardObservationScaler(mean=mean, std=std)
