"""Agents loaded from files, without unpickling what a file names."""

import io
import os
import pickle
from typing import Any

import torch
from d3rlpy.base import LearnableConfigWithShape

from offctx.algos.shared.actor import load_actor
from offctx.errors import PolicyError

_NOT_AN_AGENT = (
    AssertionError, AttributeError, EOFError, IndexError, KeyError, MemoryError, OSError, OverflowError, RuntimeError,
    TypeError, ValueError, pickle.UnpicklingError,
)  # fmt: skip


class _PlainUnpickler(pickle.Unpickler):
    """d3rlpy packs text and bytes in a pickle. This reads those, and refuses anything that would run code."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        raise pickle.UnpicklingError(f"it asks for {module_name}.{global_name}, which an agent never needs")


def load_agent(path: str | os.PathLike[str], *, device: Any = False) -> Any:
    """What d3rlpy's `save` wrote, as `d3rlpy.load_learnable` gives it, but without running anything the file asks for.

    A .safetensors file is opened by `load_actor` instead, and predicts its mode.

    Raises:
        PolicyError: there is no such file, or d3rlpy did not write it.
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
