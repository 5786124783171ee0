"""The scaler between the bounds of an action space and [-1, 1], in which d3rlpy's policies act."""

from typing import Any

import d3rlpy
import numpy as np
from gymnasium.spaces import Box, Space


def action_scaler_of(space: Space[Any]) -> d3rlpy.preprocessing.MinMaxActionScaler | None:
    """The scaler of an action space; None without finite bounds."""
    if isinstance(space, Box) and np.isfinite([space.low, space.high]).all():
        return d3rlpy.preprocessing.MinMaxActionScaler(space.low, space.high)
    return None


def needed_action_scaler(space: Space[Any]) -> d3rlpy.preprocessing.MinMaxActionScaler | None:
    """The scaler of an action space; None without finite bounds, or where they are -1 and 1: a scaler would round there."""
    scaler = action_scaler_of(space)
    return None if isinstance(space, Box) and (space.low == -1).all() and (space.high == 1).all() else scaler
