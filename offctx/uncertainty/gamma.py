"""The one check of what quantifiers return: Gamma is finite, >= 0 and of the promised shape."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from offctx.errors import LinearError

_INTERVAL = 64  # queries on an accelerator between two looks at their range


def check_gamma(gamma: Any, quantifier: object, shape: Sequence[int] | None = None, inputs: Sequence[Tensor] = ()) -> Tensor:
    """The Gamma that a quantifier returned, as a tensor.

    Args:
        gamma: what it returned.
        quantifier: for the message.
        shape: the promised shape; any where None.
        inputs: what Gamma was computed from. If it was not finite, the message says so.

    Raises:
        LinearError: Gamma is negative, not finite, or of another shape.
    """
    tensor = _check_shape(gamma, quantifier, shape)
    if tensor.numel() and not torch.jit.is_tracing():  # type: ignore[attr-defined,no-untyped-call]  # torch does not type it
        least, most = _range(tensor).tolist()
        _check_range(least, most, quantifier, tensor.shape, inputs)
    return tensor


class DeferredCheck:
    """`check_gamma` for the queries of a training loop: at once on a CPU; on an accelerator it does not wait for each result.

    On an accelerator the least and the largest Gamma so far stay on the device, and are looked at once in 64 queries and in
    `settle`.
    """

    def __init__(self, quantifier: object) -> None:
        self._quantifier = quantifier
        self._seen: Tensor | None = None  # less the least and the largest Gamma since the last look, (2,)
        self._shape: Sequence[int] = ()
        self._queries = 0

    def __call__(self, gamma: Any, shape: Sequence[int], inputs: Sequence[Tensor] = ()) -> Tensor:
        """The Gamma that the quantifier returned; raises as `check_gamma` does, on an accelerator some queries later."""
        if isinstance(gamma, Tensor) and not self._waits(gamma):
            return check_gamma(gamma, self._quantifier, shape, inputs)
        tensor = _check_shape(gamma, self._quantifier, shape)
        if tensor.numel():
            self._remember(tensor)
        return tensor

    def settle(self) -> None:
        """Check the queries that were not looked at yet."""
        self._queries = 0
        if self._seen is not None:
            least, most = self._seen.tolist()
            self._seen.fill_(-torch.inf)  # in place: a recorded graph goes on writing here
            _check_range(-least, most, self._quantifier, self._shape, ())

    @staticmethod
    def _waits(gamma: Tensor) -> bool:
        """Whether looking at a value makes the device wait, or cannot be recorded."""
        return gamma.device.type != "cpu" or torch.compiler.is_compiling()

    def _remember(self, gamma: Tensor) -> None:
        least, most = _range(gamma)
        if self._seen is None:
            self._seen = torch.full_like(gamma.detach().flatten()[:1], -torch.inf).repeat(2)
        torch.maximum(self._seen, torch.stack([-least, most]), out=self._seen)  # keeps nan
        self._shape = tuple(gamma.shape)
        self._queries += 1
        if self._queries >= _INTERVAL and not self._recording(gamma):
            self.settle()

    @staticmethod
    def _recording(gamma: Tensor) -> bool:
        return torch.compiler.is_compiling() or (gamma.is_cuda and torch.cuda.is_current_stream_capturing())


def real_tensor(gamma: Any, quantifier: object) -> Tensor:
    """The tensor that `bonus` returned.

    Raises:
        LinearError: it is neither an array nor a tensor of real floating-point numbers.
    """
    if not isinstance(gamma, Tensor | np.ndarray | np.floating | float):
        raise LinearError(f"expected an array of numbers >= 0 from the bonus of {quantifier!r}; found {type(gamma).__name__}")
    tensor = torch.as_tensor(gamma)
    if not tensor.is_floating_point():
        raise LinearError(f"expected floating-point numbers >= 0 from the bonus of {quantifier!r}; found {tensor.dtype}")
    return tensor


def _check_shape(gamma: Any, quantifier: object, shape: Sequence[int] | None) -> Tensor:
    tensor = real_tensor(gamma, quantifier)
    if shape is not None and tuple(tensor.shape) != tuple(shape):
        raise LinearError(f"expected a bonus >= 0 of shape {tuple(shape)} from {quantifier!r}; found {tuple(tensor.shape)}")
    return tensor


def _range(gamma: Tensor) -> Tensor:
    """The least and the largest, (2,); both are nan where one value is."""
    return torch.stack(torch.aminmax(gamma.detach()))


def _check_range(least: float, most: float, quantifier: object, shape: Sequence[int], inputs: Sequence[Tensor]) -> None:
    if least >= 0 and most < float("inf"):  # false for nan too
        return
    not_finite = any(not bool(torch.isfinite(part).all()) for part in inputs)
    reason = "; what it was computed from is not finite either" if not_finite else ""
    raise LinearError(
        f"expected a bonus >= 0 of shape {tuple(shape)}, finite, from {quantifier!r}; found values from {least:g} to {most:g}"
        f"{reason}"
    )
