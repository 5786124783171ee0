"""A checkpoint of online training: from it, a training that was killed goes on and ends with the same weights.

A checkpoint is one file of tensors, numbers and text. Reading it runs no code that it names.
"""

import io
import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch

from offctx.buffers.buffer_state import buffer_state, restore_buffer
from offctx.errors import AlgorithmError
from offctx.files import check_regular_file, replaced_on_success, sync_to_disk
from offctx.training.online_loop import OnlineLoop

_UNREADABLE = (EOFError, KeyError, OSError, RuntimeError, TypeError, ValueError, pickle.UnpicklingError)


def write_checkpoint(path: Path, loop: OnlineLoop, report: dict[str, Any]) -> None:
    """Writes all that the rest of the training depends on. A file that is there is replaced when the new one is whole.

    Args:
        path: of the file, in a folder that exists.
        loop: between two joint steps.
        report: what has been reported so far; text and numbers.

    Raises:
        OSError: the file cannot be written.
        AlgorithmError: the agent's policy has a memory that it does not give away.
    """
    weights = io.BytesIO()
    loop.agent.impl.save_model(weights)
    state = {
        "report": report,
        "agent": torch.from_numpy(np.frombuffer(weights.getvalue(), np.uint8).copy()),
        "grad_step": loop.agent.grad_step,
        "loop": {name: getattr(loop, name) for name in ("joint_steps", "updates", "episode_count")},
        "episodes": _tensors(loop.episodes.state()),
        "writer": _tensors(loop.writer.state()),
        "buffer": buffer_state(loop.buffer),
        "behaviour": loop.behaviour.state(),
        "generator": loop.rng.bit_generator.state,
        "global_generators": _global_generators(),
    }
    with replaced_on_success(path) as temporary:
        torch.save(state, temporary)
        sync_to_disk(temporary)


def restore_checkpoint(path: Path, loop: OnlineLoop) -> dict[str, Any]:
    """Makes a new loop, with the same settings, what it was when the checkpoint was written.

    Args:
        path: of the checkpoint.
        loop: to be changed.

    Returns:
        The report that was given to `write_checkpoint`.

    Raises:
        AlgorithmError: the file is damaged, or of other networks.
    """
    try:
        check_regular_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
        weights = state["agent"].numpy().tobytes()
        torch.load(io.BytesIO(weights), map_location="cpu", weights_only=True)  # refuses what d3rlpy's load may run
        loop.agent.impl.load_model(io.BytesIO(weights))
        loop.agent.set_grad_step(state["grad_step"])
        for name, value in state["loop"].items():
            setattr(loop, name, value)
        loop.episodes.restore(_arrays(state["episodes"]))
        loop.writer.restore(_arrays(state["writer"]))
        restore_buffer(loop.buffer, state["buffer"])
        loop.behaviour.restore(state["behaviour"])
        loop.rng.bit_generator.state = state["generator"]
        _set_global_generators(state["global_generators"])
    except _UNREADABLE as error:
        raise AlgorithmError(f"cannot go on from {path}: {error}; delete its folder to begin anew") from error
    return dict(state["report"])


def _tensors(arrays: dict[str, Any]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}


def _arrays(tensors: dict[str, torch.Tensor]) -> dict[str, Any]:
    return {name: tensor.numpy() for name, tensor in tensors.items()}


def _global_generators() -> dict[str, Any]:
    """The states of the generators that d3rlpy draws from."""
    kind, keys, *rest = np.random.get_state(legacy=True)
    return {
        "python": random.getstate(),
        "numpy": [kind, torch.from_numpy(np.asarray(keys, np.int64)), *rest],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def _set_global_generators(states: dict[str, Any]) -> None:
    version, state, next_gauss = states["python"]
    random.setstate((version, tuple(state), next_gauss))
    kind, keys, *rest = states["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(states["torch"])
    if states["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(states["cuda"])
