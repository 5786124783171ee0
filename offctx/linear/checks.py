"""The door of `offctx.linear`: what comes from outside becomes float64 or int64 arrays of the promised shape, or an error.

Dimensions: n environments, K trajectories, H horizon, S states, A actions, d features.
"""

import numpy as np
from numpy.typing import ArrayLike

from offctx.checks import ROUNDING, Floats, Ints, floats, indices
from offctx.errors import LinearError


def feature_map(features: ArrayLike) -> Floats:
    """Features (S, A, d) of norm at most 1."""
    array = floats(features, "features", "(S, A, d)")
    if array.ndim != 3 or 0 in array.shape:
        raise LinearError(f"expected features of shape (S, A, d), none of them 0; found {array.shape}")
    largest = float(np.linalg.norm(array, axis=-1).max())
    if largest > 1 + ROUNDING:
        raise LinearError(f"expected features of norm at most 1, as the theory assumes; found norm {largest:g}: divide by it")
    return array


def trajectories(
    states: ArrayLike, actions: ArrayLike, rewards: ArrayLike, states_and_actions: tuple[int, int]
) -> tuple[Ints, Ints, Floats]:
    """States (n, K, H+1), actions (n, K, H) and rewards (n, K, H) in [0, 1], no dimension empty."""
    S, A = states_and_actions
    x = indices(states, "states", "(n, K, H+1)", S)
    a = indices(actions, "actions", "(n, K, H)", A)
    r = floats(rewards, "rewards", "(n, K, H)")
    if a.ndim != 3 or 0 in a.shape:
        raise LinearError(
            f"expected actions of shape (n, K, H): at least one environment, trajectory and step; found {a.shape}"
        )
    n, K, H = a.shape
    for array, what, shape in ((x, "states", (n, K, H + 1)), (r, "rewards", (n, K, H))):
        if array.shape != shape:
            raise LinearError(f"expected {what} of shape {shape} beside actions {a.shape}; found {array.shape}")
    if r.min() < 0 or r.max() > 1:
        raise LinearError(f"expected rewards in [0, 1]; found {r.min():g} to {r.max():g}: shift and scale them")
    return x, a, r
