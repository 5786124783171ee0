"""Agents loaded from files, without unpickling what a file names."""

import io
import os
import pickle
import warnings
from typing import Any

import d3rlpy
import torch
from d3rlpy.base import LearnableConfigWithShape

from offctx.algos.shared.actor_files import load_actor
from offctx.errors import OffctxWarning, PolicyError
from offctx.files import read_file

_NOT_AN_AGENT = (
    AssertionError, AttributeError, EOFError, IndexError, KeyError, MemoryError, OSError, OverflowError, RuntimeError,
    TypeError, ValueError, pickle.UnpicklingError,
)  # fmt: skip


class _NamesCode(pickle.UnpicklingError):
    """The pickle names an object of Python, which might run code."""


class _PlainUnpickler(pickle.Unpickler):
    """Reads a pickle of text and bytes, as d3rlpy writes it, and refuses everything that would run code."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        raise _NamesCode(f"the file names {module_name}.{global_name}, which an agent never needs")


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

    Warns:
        OffctxWarning: another version of d3rlpy saved the agent.

    Example::

        agent = load_agent("out/demo/cse.d3")
        offctx.evaluate(agent, "offctx/PendulumGoal-v0", contexts, episodes=64, seed=1)
    """
    if os.fspath(path).endswith(".safetensors"):
        return load_actor(path, stochastic=False)
    packed = _unpack(path)
    saved_by = packed.get("version", "of an unknown version")
    if saved_by != d3rlpy.__version__:
        running_version = f"this is d3rlpy {d3rlpy.__version__}, in which the agent may act differently"
        warnings.warn(f"{path} was saved by d3rlpy {saved_by!s:.40}; {running_version}", OffctxWarning, stacklevel=2)
    try:
        agent = LearnableConfigWithShape.deserialize(packed["config"]).create(device)
        torch.load(io.BytesIO(packed["torch"]), map_location="cpu", weights_only=True)  # refuses what d3rlpy's load may run
        agent.impl.load_model(io.BytesIO(packed["torch"]))
    except _NOT_AN_AGENT as error:
        raise PolicyError(f"{path} is not an agent saved by d3rlpy: {error}") from error
    return agent


def load_weights(agent: Any, path: str | os.PathLike[str]) -> None:
    """Gives an agent the weights that another one of the same shapes was saved with, as safely as `load_agent`.

    Args:
        agent: of d3rlpy, with networks.
        path: a file that d3rlpy's `save` wrote (.d3).

    Raises:
        PolicyError: there is no such file, or it holds no agent of these networks.
    """
    packed = _unpack(path)
    try:
        torch.load(io.BytesIO(packed["torch"]), map_location="cpu", weights_only=True)  # refuses what d3rlpy's load may run
        agent.impl.load_model(io.BytesIO(packed["torch"]))
    except _NOT_AN_AGENT as error:
        raise PolicyError(f"{path} does not hold the weights of this {type(agent).__name__}: {error}") from error


def _unpack(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The parts of an agent's file: "config" as JSON, and the weights "torch" as the bytes of a file of torch."""
    try:
        content = read_file(path)
    except FileNotFoundError as error:
        raise PolicyError(f"no agent at {path}") from error
    except OSError as error:
        raise PolicyError(f"cannot read an agent from {path}: {error.strerror}") from error
    fault: Exception | None = None
    try:
        packed = _PlainUnpickler(io.BytesIO(content)).load()
        if isinstance(packed, dict) and {"config", "torch"} <= packed.keys():
            return packed
        description = f"a pickle of something else ({type(packed).__name__})"
    except _NamesCode as error:
        raise PolicyError(f"{path} is not an agent saved by d3rlpy: {error}") from error
    except _NOT_AN_AGENT as error:
        description, fault = _kind(content), error
    raise PolicyError(
        f"{path} is not an agent saved by d3rlpy: expected what `agent.save` writes (.d3), or a policy in a .safetensors file; "
        f"found {description}"
    ) from fault


def _kind(content: bytes) -> str:
    """What a file that holds no agent seems to be, by its first bytes."""
    if content.startswith(b"PK"):
        return "weights or a policy alone, as `save_model` and `save_policy` write them"
    return "a damaged or incomplete file" if content.startswith(b"\x80") else "another kind of file"
