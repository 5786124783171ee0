"""The equations of a `DifferentiableEnv` as people write them: what is wrong with one, in a sentence.

Dimensions: M rows, s state.
"""

import inspect
import os
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor

from offctx.errors import EnvError, OffctxError

ERRORS = (RuntimeError, TypeError, ValueError, IndexError, AttributeError)  # what torch and Python raise for wrong equations
_LIBRARIES = tuple(package.__path__[0] + os.sep for package in (torch, np))
_ARGUMENTS = {
    "initial_state": ["rng", "context"],
    "transition": ["state", "action", "context"],
    "reward": ["state", "action", "next_state", "context"],
    "terminated": ["state", "context"],
    "observe": ["state"],
}
_RESULTS = {"transition": "next states", "reward": "rewards", "terminated": "terminations", "observe": "observations"}
_BATCH = (
    "the arguments are batches, one row for each transition: take a coordinate by state[..., 0], not by state[0] or "
    "`x, v = state`; keep its dimension by state[..., :1]; join coordinates by torch.stack([x, v], dim=-1)"
)
_CAUSES = (  # (parts of torch's and Python's messages, what to do instead)
    (
        ("Boolean value of Tensor",),
        "a Python `if`, `while`, `and`, `or`, `not`, `min` or `max` needs one truth value, and there is one for each row of "
        "the batch. Choose row by row: torch.where(condition, a, b), torch.maximum, torch.clamp, or & and | and ~",
    ),
    (
        ("in-place operation", "inplace operation"),
        "it changes a state or a context in place. Make a new tensor: `context = 2 * context`, not `context *= 2`; "
        "torch.stack or torch.cat, not `state[..., 0] = ...`",
    ),
    (("data pointer", "numpy()"), "the equations must be torch functions throughout to have derivatives, so no NumPy"),
    (
        ("converted to Python scalar", "converted to Scalar", "must be real number, not Tensor"),
        "`math` functions, float() and .item() take one number, and there is one for each row of the batch. Use torch.sin, "
        "torch.exp and so on, and keep tensors",
    ),
    (("unpack", "size of tensor", "Sizes of tensors", "must match", "out of range", "dimension", "shape"), _BATCH),
)


def check_result(env: Any, method: str, result: Any, shape: tuple[int, ...]) -> None:
    """That an equation returned a tensor of this shape.

    Args:
        env: the environment.
        method: "transition", "reward", "terminated" or "observe".
        result: what it returned.
        shape: (M, s) for next states, (M,) for rewards and terminations.

    Raises:
        EnvError: it did not; the message names the method and says what is right.
    """
    if isinstance(result, Tensor) and result.shape == shape:
        if method == "terminated" and result.dtype != torch.bool:
            raise EnvError(
                f"{type(env).__name__}: expected booleans from `terminated`; found a tensor of {result.dtype}. Return a "
                "condition for each row, such as state[..., 0].abs() > 1"
            )
        return
    if method == "observe" and isinstance(result, Tensor) and result.shape[:1] == shape[:1]:
        observation_shape = tuple(result.shape[1:])
        name = type(env).__name__
        raise EnvError(
            f"{name}.observe gives observations of shape {observation_shape}, but its observation_space has {shape[1:]}"
        )
    expected = f"{type(env).__name__}: for {shape[0]} rows expected {_RESULTS[method]} {shape} as a tensor from `{method}`"
    if isinstance(result, Tensor):
        raise EnvError(f"{expected}; found a tensor {tuple(result.shape)}. {_shape_advice(result, shape)}")
    if result is None:
        raise EnvError(f"{expected}; found None. Does it end without `return`?")
    if isinstance(result, (bool, int, float)) and len(shape) == 1:
        kind = "torch.bool" if method == "terminated" else "self.dtype"
        advice = f"Give each row its number: torch.full(state.shape[:-1], {result}, dtype={kind})"
        raise EnvError(f"{expected}; found {result!r}, a Python {type(result).__name__}. {advice}")
    raise EnvError(f"{expected}; found {type(result).__name__}. Return a torch tensor: torch.stack([x, v], dim=-1)")


def check_start(env: Any, state: Any) -> None:
    """Raises EnvError where `initial_state` returned nothing."""
    if state is None:
        raise EnvError(
            f"{type(env).__name__}: expected a state from `initial_state`; found None. Does it end without `return`?"
        )


def _shape_advice(result: Tensor, shape: tuple[int, ...]) -> str:
    if result.ndim == 0:
        return "Sum over the coordinates of a row, not over all rows: .sum(-1), not .sum()"
    if result.shape == (*shape, 1) or (len(shape) == 1 and result.ndim == 2 and len(result) == shape[0]):
        return "One number for each row is needed: take it by [..., 0], or sum by .sum(-1)"
    if result.ndim == 2 and tuple(result.shape) == shape[::-1]:
        return "Join the coordinates along the last dimension: torch.stack([x, v], dim=-1)"
    if result.ndim and len(result) == shape[0] and len(shape) == 2:
        return f"A next state has as many numbers as a state, {shape[1]}"
    return _BATCH[0].upper() + _BATCH[1:]


def check_unchanged(env: Any, method: str, arguments: Sequence[tuple[str, Tensor]], versions: Sequence[int]) -> None:
    """That an equation did not change its arguments in place: torch counts the changes of a tensor.

    Args:
        env: the environment.
        method: the equation.
        arguments: its arguments with their names.
        versions: their `_version` before the call.

    Raises:
        EnvError: it changed one.
    """
    for (name, tensor), version in zip(arguments, versions, strict=True):
        if tensor._version != version:
            raise EnvError(
                f"{type(env).__name__}: `{method}` changes its argument `{name}` in place. Make a new tensor: "
                f"`{name} = 2 * {name}`, not `{name} *= 2`; torch.stack or torch.cat, not `{name}[..., 0] = ...`"
            )


def raise_explained(env: Any, method: str, error: Exception) -> NoReturn:
    """Raises an error of torch or Python again as a sentence that names the equation and says what to write.

    Args:
        env: the environment.
        method: the equation that was called; `initial_state` counts as one.
        error: what it raised, with its traceback from this call on.

    Raises:
        EnvError: the sentence.
        Exception: the error itself, where it is one of offctx, or NotImplementedError.
    """
    if isinstance(error, (OffctxError, NotImplementedError)):
        raise error
    name = type(env).__name__
    signature = _wrong_signature(env, method, error)
    if signature is not None:
        raise EnvError(f"{name}: {signature}") from error
    where = _location(method, error)
    called_wrongly = "invalid combination of arguments" in str(error)  # of a torch function, and lists types that it takes
    if not called_wrongly and ("dtype" in str(error) or "scalar type" in str(error)):
        raise EnvError(
            f"{name}: {where}: {error}. Its equations get {env.dtype} tensors: make constants with dtype={env.dtype}, or "
            f"set dtype = torch.float32 in the class; leave out .float()"
        ) from error
    for parts, advice in _CAUSES:
        if any(part in str(error) for part in parts):
            raise EnvError(f"{name}: {where}: {advice} ({type(error).__name__}: {error})") from error
    note = "" if method == "initial_state" else f". Note: {_BATCH}"
    raise EnvError(f"{name}: {where}: {type(error).__name__}: {error}{note}") from error


def refuse_changes_in_place(env: Any, error: RuntimeError) -> None:
    """Raises EnvError where torch finds only after the equations that one changed a tensor in place.

    Args:
        env: the environment whose equations are differentiated.
        error: what torch raised.
    """
    if "inplace operation" in str(error):
        raise EnvError(
            f"{type(env).__name__}: an equation changes a tensor in place after using it, so it has no derivative. Make a new "
            f"tensor: `x = x + 1`, not `x += 1`; torch.stack or torch.cat, not `x[..., 0] = ...` (RuntimeError: {error})"
        ) from error


def _location(method: str, error: Exception) -> str:
    """The equation and, where there is one, the line in which it fails: the deepest that is not torch's or NumPy's."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__)[1:] if not frame.filename.startswith(_LIBRARIES)]
    if not frames:
        return f"`{method}` fails"
    frame = frames[-1]
    function = "" if frame.name in (method, "<lambda>") else f" of `{frame.name}`"
    return f"`{method}` fails in line {frame.lineno}{function}" + (f", `{frame.line}`" if frame.line else "")


def _wrong_signature(env: Any, method: str, error: Exception) -> str | None:
    """What is wrong with the arguments that an equation takes; None where nothing is."""
    if not (isinstance(error, TypeError) and "positional argument" in str(error)):
        return None
    try:
        signature = inspect.signature(getattr(env, method))
    except (TypeError, ValueError):  # of a built-in function
        return None
    arguments = _ARGUMENTS[method]
    noise = ["noise"] if env.noise_size and method in ("transition", "reward") else []
    if any(_takes(signature, names) for names in (arguments, [*arguments, *noise])):
        return None
    return f"`{method}` must take the arguments ({', '.join([*arguments, *noise])}); it takes {signature}"


def _takes(signature: inspect.Signature, names: Sequence[str]) -> bool:
    """Whether a function can be called with so many positional arguments."""
    try:
        signature.bind(*names)
    except TypeError:
        return False
    return True
