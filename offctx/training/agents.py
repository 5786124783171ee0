"""Agents loaded from files, without unpickling what a file names."""

import io
import os
import pickle
from typing import Any

import torch
from d3rlpy.base import LearnableConfigWithShape

from offctx.algos.shared.actor_files import load_actor
from offctx.errors import PolicyError

_NOT_AN_AGENT = (
    AssertionError, AttributeError, EOFError, IndexError, KeyError, MemoryError, OSError, OverflowError, RuntimeError,
    TypeError, ValueError, pickle.UnpicklingError,
)  # fmt: skip


class _PlainUnpickler(pickle.Unpickler):
    """Reads a pickle of text and bytes, as d3rlpy writes it, and refuses everything that would run code."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        raise pickle.UnpicklingError(f"the file names {module_name}.{global_name}, which an agent never needs")


def load_agent(path: str | os.PathLike[str], *, device: Any = False) -> Any:
    """Load an agent without running any code that its file names.

    d3rlpy's own `load_learnable` unpickles the file, which may run code. This function reads the same files safely.

    Args:
        path: a file that d3rlpy's `save` wrote (.d3), or a policy that `save_actor` wrote (.safetensors).
        device: where the networks are: False (CPU), True (the first GPU), a GPU's number, or a name such as "cuda:0".
            Policies in .safetensors files are always on the CPU.

    Returns:
        The agent, whose `predict` gives actions. That of a .safetensors policy gives its mode.

    Raises:
        PolicyError: there is no such file, or it holds no agent.

    Example::

        agent = load_agent("out/demo/cse.d3")
        offctx.evaluate(agent, "offctx/PendulumGoal-v0", contexts, episodes=64, seed=1)
    """
    if os.fspath(path).endswith(".safetensors"):
        return load_actor(path, stochastic=False)
    try:
        with open(path, "rb") as file:
            packed = _PlainUnpickler(file).load()
        agent = LearnableConfigWithShape.deserialize(packed["config"]).create(device)
        torch.load(io.BytesIO(packed["torch"]), map_location="cpu", weights_only=True)  # refuses what d3rlpy's load may run
        agent.impl.load_model(io.BytesIO(packed["torch"]))
    except FileNotFoundError as error:
        raise PolicyError(f"no agent at {path}") from error
    except _NOT_AN_AGENT as error:
        raise PolicyError(f"{path} is not an agent saved by d3rlpy: {error}") from error
    return agent
