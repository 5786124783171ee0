"""The ranges that a user gives for a sensor, checked, and the context coordinates that they make.

Dimensions: o observations.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from offctx.contexts.space import ContextSpace
from offctx.envs.base import Array
from offctx.errors import ContextError, EnvError

_DEFAULTS = {"noise": 0.0, "gain": 1.0, "bias": 0.0, "delay": 0.0}  # at which nothing changes
_PREFIX = "observation_"
_LONGEST_DELAY = 1_000  # steps; every state holds as many observations


def checked_range(name: str, pair: Any) -> tuple[float, float]:
    """A range as two finite numbers low < high that hold the default; ContextError for anything else."""
    try:
        low, high = (float(value) for value in pair)
    except (TypeError, ValueError) as error:
        raise ContextError(f"{name} must be a range (low, high) of two numbers; found {pair!r}") from error
    default = _DEFAULTS[name]
    if not (np.isfinite([low, high]).all() and low <= default <= high):
        raise ContextError(
            f"{name} must be a finite range (low, high) that holds {default:g}, where nothing changes; found {pair!r}"
        )
    if name in ("noise", "delay") and low < 0:
        raise ContextError(f"{name} must be at least 0; found the range {pair!r}")
    if name == "delay" and (low != int(low) or high != int(high)):
        raise ContextError(f"delay must be a range of whole steps; found {pair!r}")
    if name == "delay" and high > _LONGEST_DELAY:
        raise ContextError(f"delay must be at most {_LONGEST_DELAY:,} steps; found the range {pair!r}")
    if low == high:
        raise ContextError(f"{name} must be a range with low < high; found {pair!r}, a coordinate that never changes")
    return low, high


def checked_scale(scale: ArrayLike, size: int) -> Array:
    """The unit of noise and bias in each observation (o,); EnvError where it is not finite and >= 0, with one above 0."""
    try:
        row = np.array(np.broadcast_to(np.asarray(scale, dtype=np.float64), (size,)))
    except (TypeError, ValueError) as error:
        raise EnvError(f"scale must be {size} numbers, one for each observation, or one for all; found {scale!r}") from error
    if not np.isfinite(row).all() or (row < 0).any() or not row.any():
        raise EnvError(f"scale must be finite and at least 0, and not 0 everywhere; found {scale!r}")
    return row


def context_space_of(ranges: dict[str, tuple[float, float]]) -> ContextSpace:
    """The context space of a sensor alone, one coordinate for each range."""
    lows, highs = zip(*ranges.values(), strict=True)
    constraints = [f"{_PREFIX}noise >= 0"] if "noise" in ranges else []
    if "delay" in ranges:  # a longer delay needs a longer memory, so that extrapolation cannot admit it
        constraints.append(f"0 <= {_PREFIX}delay <= {highs[list(ranges).index('delay')]:g}")
    return ContextSpace(
        [_PREFIX + name for name in ranges],
        lows,
        highs,
        [_DEFAULTS[name] for name in ranges],
        ["steps" if name == "delay" else "" for name in ranges],
        constraints=constraints,
        discrete=[_PREFIX + "delay"] if "delay" in ranges else [],
        kinds="observation",
    )
