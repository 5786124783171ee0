"""What the learner takes from its buffer: the bounds of given contexts, and rows of all contexts alike."""

from typing import Any

import numpy as np

from offctx.buffers.replay_buffer import ContextualReplayBuffer
from offctx.buffers.samplers import BalancedSampler
from offctx.errors import AlgorithmError


def bounds_of(buffer: ContextualReplayBuffer) -> list[list[float]]:
    """The least and the largest value of each coordinate: by its space; by the contexts of the data where that has no bounds.

    Raises:
        AlgorithmError: the space has no bounds, and the buffer no contexts.
    """
    space, contexts = buffer.context_space, buffer.table["contexts"]
    bounds = np.stack([np.asarray(space.low, float), np.asarray(space.high, float)])
    if not np.isfinite(bounds).all():
        if not len(contexts):
            raise AlgorithmError(
                f"contexts are scaled by the bounds of their space, and {list(space.names)} has none: give context_bounds, the "
                f"least and the largest value of each coordinate"
            )
        bounds = np.where(np.isfinite(bounds), bounds, [contexts.min(axis=0), contexts.max(axis=0)])
    low, high = bounds
    return [low.tolist(), np.where(high > low, high, low + 1).tolist()]


def balanced(buffer: Any) -> Any:
    """The buffer with equally many rows of each context in a batch, where it tells several contexts apart."""
    if not isinstance(buffer, ContextualReplayBuffer):
        return buffer
    ids = buffer.table["context_ids"]
    if len(np.unique(ids[ids >= 0])) < 2:
        return buffer
    return buffer.with_sampler(BalancedSampler(lambda table: table["context_ids"]))
