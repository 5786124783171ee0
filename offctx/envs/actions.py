"""Actions as a policy gives them, checked against the action space.

Dimensions: N rows, a action.
"""

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike, NDArray

from offctx.errors import PolicyError

Array = NDArray[Any]


def admit_actions(space: spaces.Space[Any], actions: ArrayLike, n: int) -> Array:
    """Actions for n rows in the dtype of the action space.

    Args:
        space: a Box of floats, or Discrete.
        actions: (n, a); or (n,) or (n, 1) where Discrete. Tensors and nested lists are accepted.
        n: how many rows.

    Returns:
        Box: (n, a), clipped to the bounds. Discrete: int64 (n,).

    Raises:
        PolicyError: wrong shape, not numbers, not finite, or a Discrete action that does not exist.
    """
    numbers = _as_numbers(actions)
    if isinstance(space, spaces.Discrete):
        return _admit_discrete(space, numbers, n)
    assert isinstance(space, spaces.Box)
    if numbers.shape != (n, *space.shape):
        raise PolicyError(f"expected actions of shape {(n, *space.shape)}; found {numbers.shape}")
    finite = np.isfinite(numbers)
    if not finite.all():
        raise PolicyError(f"actions must be finite; found {numbers[~finite][0]} in row {np.argwhere(~finite)[0][0]}")
    return np.asarray(np.clip(numbers.astype(space.dtype), space.low, space.high))


def _admit_discrete(space: spaces.Discrete, numbers: Array, n: int) -> Array:
    if numbers.shape == (n, 1):
        numbers = numbers[:, 0]
    if numbers.shape != (n,):
        raise PolicyError(f"expected {n} Discrete actions of shape ({n},); found shape {numbers.shape}")
    last = space.start + space.n - 1
    with np.errstate(invalid="ignore"):
        exists = (numbers >= space.start) & (numbers <= last) & (numbers == np.floor(numbers))
    if not exists.all():
        raise PolicyError(f"expected integer actions {space.start}..{last}; found {numbers[~exists][0]}")
    return numbers.astype(np.int64)


def _as_numbers(actions: Any) -> Array:
    """An array of numbers from an array, nested lists, or a tensor (which may still carry gradients)."""
    if hasattr(actions, "detach"):
        actions = actions.detach().cpu()
    try:
        array = np.asarray(actions)
    except ValueError as error:
        raise PolicyError(f"expected actions as one array of numbers: {error}") from error
    if array.dtype.kind not in "fiub":
        raise PolicyError(f"expected actions as numbers; found {array.dtype} such as {array.flat[0]!r}")
    return array
