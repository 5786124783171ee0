"""The door of `offctx.linear`: what comes from outside becomes float64 or int64 arrays of the promised shape, or an error.

Dimensions: n environments, K trajectories, H horizon, S states, A actions, d features.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from offctx.errors import LinearError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_ROUNDING = 1e-8  # by how much a norm or a sum of probabilities may miss 1


def numbers(values: ArrayLike, what: str, shape: str) -> NDArray[Any]:
    """An array of finite numbers, of whatever kind; ragged nests are told."""
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise LinearError(f"expected {what} as one array {shape}; found ragged rows ({error})") from error
    if array.dtype == object or not (np.issubdtype(array.dtype, np.number) or array.dtype == bool):
        raise LinearError(f"expected {what} as one array {shape} of numbers; found {array.dtype}, which ragged rows also give")
    if not np.isfinite(array).all():
        where = tuple(int(k) for k in np.argwhere(~np.isfinite(array))[0])
        raise LinearError(f"expected finite {what}; found {array[where]} at {where}")
    return array


def floats(values: ArrayLike, what: str, shape: str) -> Floats:
    """Finite numbers as contiguous float64."""
    return np.ascontiguousarray(numbers(values, what, shape), dtype=np.float64)


def indices(values: ArrayLike, what: str, shape: str, size: int) -> Ints:
    """Integers in [0, size) as int64."""
    array = numbers(values, what, shape)
    if not np.issubdtype(array.dtype, np.integer):
        raise LinearError(f"expected {what} {shape} as integers; found {array.dtype}")
    if array.size and (array.min() < 0 or array.max() >= size):
        raise LinearError(f"expected {what} in 0..{size - 1}; found {array.min()} to {array.max()}")
    return array.astype(np.int64)


def feature_map(features: ArrayLike) -> Floats:
    """Features (S, A, d) of norm at most 1."""
    array = floats(features, "features", "(S, A, d)")
    if array.ndim != 3 or 0 in array.shape:
        raise LinearError(f"expected features of shape (S, A, d), none of them 0; found {array.shape}")
    largest = float(np.linalg.norm(array, axis=-1).max())
    if largest > 1 + _ROUNDING:
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


def probabilities(values: ArrayLike, what: str, shapes: tuple[tuple[int, ...], ...]) -> Floats:
    """Not negative, summing to one over the last axis, of one of the shapes."""
    said = " or ".join(str(shape) for shape in shapes)
    array = floats(values, what, said)
    if array.shape not in shapes:
        raise LinearError(f"expected {what} of shape {said}; found {array.shape}")
    if array.min() < 0:
        raise LinearError(f"expected {what} as probabilities; found {array.min():g}")
    sums = array.sum(axis=-1)
    worst = float(sums.flat[np.abs(sums - 1).argmax()])
    if abs(worst - 1) > _ROUNDING:
        raise LinearError(f"expected {what} to sum to 1 over the last axis; found {worst:g}")
    return array
