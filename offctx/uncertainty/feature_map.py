"""The contract of feature maps over continuous observations, phi with |phi| <= 1.

With continuous actions a map is of both, phi(x, a). With discrete ones it is of the observation alone, psi(x), and stands
for phi(x, a) = e_a (x) psi(x): the Gram matrix of that is block diagonal, one (d, d) block an action.

Dimensions: N rows of data, o observation, a action, d features; "..." stands for any leading ones.
"""

from abc import ABC, abstractmethod
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from offctx.checks import count
from offctx.errors import LinearError

Self = TypeVar("Self", bound="FeatureMap")
ROUNDING = 1e-5  # the largest error of a norm in float32


class FeatureMap(nn.Module, ABC):
    """phi(x, a), or psi(x) where it is made with action_size 0.

    `fit` sets buffers whose sizes are fixed from the start, so that state_dict holds all that was fitted. A map computes in the
    precision of its buffers, float32, or float64 after `.double()`, and is differentiable in both arguments.

    Args:
        size: d.
        observation_size: o.
        action_size: a; 0 for a map of the observation alone.

    Raises:
        LinearError: sizes below 1; data or arguments that do not fit the sizes; a query before `fit`.
    """

    fitted: Tensor

    def __init__(self, size: int, observation_size: int, action_size: int = 0) -> None:
        super().__init__()
        self.size = count(size, 1, "size")
        self.observation_size = count(observation_size, 1, "observation_size")
        self.action_size = count(action_size, 0, "action_size")
        self.register_buffer("fitted", torch.tensor(False))
        self._ready = False  # a copy of `fitted` on the host: reading a buffer makes an accelerator wait

    @property
    def is_fitted(self) -> bool:
        """Whether `fit` was called, here or before the state_dict that was loaded was saved."""
        self._ready = self._ready or bool(self.fitted)
        return self._ready

    def fit(self: Self, observations: Tensor | NDArray[Any], actions: Tensor | NDArray[Any] | None = None) -> Self:
        """Fits to data, in place.

        Args:
            observations: (N, o).
            actions: (N, a), or None where action_size is 0.

        Returns:
            This map.
        """
        arrays = [as_own_tensor(rows) for rows in (observations, actions) if rows is not None]
        inputs = self._join(*(rows.to(self.fitted.device, torch.float64) for rows in arrays))
        if inputs.ndim != 2 or len(inputs) == 0:
            raise LinearError(f"expected data to fit features to as rows (N, {inputs.shape[-1]}); found {tuple(inputs.shape)}")
        if not bool(torch.isfinite(inputs).all()):
            raise LinearError("expected finite observations and actions to fit features to; found nan or inf")
        self._fit(inputs)
        self.fitted.fill_(True)
        return self

    def forward(self, observations: Tensor, actions: Tensor | None = None) -> Tensor:
        """Features (..., d) at observations (..., o) and actions (..., a), or None where action_size is 0."""
        if not self.is_fitted:
            raise LinearError(f"{type(self).__name__} has not been fitted: call fit(observations, actions) of the data first")
        inputs = self._join(observations) if actions is None else self._join(observations, actions)
        return self._map(inputs)

    def _join(self, *rows: Tensor) -> Tensor:
        sizes = (self.observation_size, self.action_size) if self.action_size else (self.observation_size,)
        widths = tuple(part.shape[-1] if part.ndim else 0 for part in rows)
        if widths != sizes:
            what = "observations and actions" if self.action_size else "observations alone (action_size is 0)"
            raise LinearError(f"expected {what} of sizes {sizes}; found {widths}")
        return torch.cat(rows, dim=-1) if len(rows) > 1 else rows[0]

    @abstractmethod
    def _fit(self, inputs: Tensor) -> None:
        """Sets the buffers from data (N, o + a), float64."""

    @abstractmethod
    def _map(self, inputs: Tensor) -> Tensor:
        """Features (..., d) of inputs (..., o + a)."""


def as_own_tensor(rows: Tensor | NDArray[Any]) -> Tensor:
    """Rows as a tensor; read-only arrays are copied, as torch warns of them."""
    return rows.detach() if isinstance(rows, Tensor) else torch.from_numpy(np.require(rows, requirements="W"))


def too_long(largest: float, remedy: str) -> LinearError:
    """The error for data whose features have a norm above 1."""
    return LinearError(f"expected features of norm at most 1, as the theory assumes; the data have norm {largest:g}: {remedy}")
