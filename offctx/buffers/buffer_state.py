"""All that a buffer's next batches depend on, as plain tensors and numbers, for a checkpoint."""

from typing import Any

import numpy as np
import torch

from offctx.buffers.replay_buffer import ContextualReplayBuffer


def buffer_state(buffer: ContextualReplayBuffer) -> dict[str, Any]:
    """The transitions, episodes and context ids of a buffer and its generator, as `torch.save` writes them safely."""
    episodes = buffer._episodes
    return {
        "table": {name: torch.from_numpy(array) for name, array in episodes.table.state().items()},
        "episodes": {name: torch.from_numpy(array) for name, array in episodes.state().items()},
        "context_ids": {name: torch.from_numpy(array) for name, array in buffer._context_ids.state().items()},
        "generator": buffer._rng.bit_generator.state,
    }


def restore_buffer(buffer: ContextualReplayBuffer, state: dict[str, Any]) -> None:
    """Makes a buffer of the same kind what it was when `buffer_state` was called."""
    arrays = {
        part: {name: np.array(tensor.numpy()) for name, tensor in state[part].items()}
        for part in ("table", "episodes", "context_ids")
    }
    buffer._episodes.table.restore(arrays["table"])
    buffer._episodes.restore(arrays["episodes"])
    buffer._context_ids.restore(arrays["context_ids"])
    buffer._rng.bit_generator.state = state["generator"]
    buffer._windows = buffer._window_sampler()
