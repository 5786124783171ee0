"""Feature maps over continuous observations, phi with |phi| <= 1, and the Gram matrices of data in them.

With continuous actions a map is of both, phi(x, a). With discrete ones it is of the observation alone, psi(x), and stands
for phi(x, a) = e_a (x) psi(x): the Gram matrix of that is block diagonal, one (d, d) block an action.

Source of the Fourier features: Rahimi and Recht, "Random features for large-scale kernel machines", NeurIPS 2007. With
frequencies w_k drawn from N(0, I / bandwidth^2) and z the standardised (x, a),

    phi = [cos(w_1 z), ..., cos(w_m z), sin(w_1 z), ..., sin(w_m z)] / sqrt(m),        m = d / 2
    E[phi(z)^T phi(z')] = exp(-|z - z'|^2 / (2 bandwidth^2))

Cosines and sines, not cosines with random phases: the norm is then exactly 1.

Dimensions: N rows of data, o observation, a action, d features, n groups of rows; "..." stands for any leading ones.
"""

import math
from abc import ABC, abstractmethod
from typing import Any, Literal, TypeVar, final, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from offctx.checks import at_least, count
from offctx.errors import LinearError

FeatureKind = Literal["fourier", "observation"]
Self = TypeVar("Self", bound="FeatureMap")
_ROUNDING = 1e-5  # by how much a norm in float32 may miss 1
_PAIRED = 1000  # rows of which the median distance is taken
CHUNK = 2**24  # numbers that are held at a time


class FeatureMap(nn.Module, ABC):
    """phi(x, a), or psi(x) where it is made with action_size 0.

    What `fit` finds lives in buffers whose sizes are fixed from the start, so that state_dict holds all of it. It computes in
    the type of its buffers: float32, or float64 after `.double()`; and is differentiable in both arguments.

    Args:
        size: d.
        observation_size: o.
        action_size: a; 0 for a map of the observation alone.

    Raises:
        LinearError: sizes that are none; data or arguments that do not fit them; used before `fit`.
    """

    fitted: Tensor

    def __init__(self, size: int, observation_size: int, action_size: int = 0) -> None:
        super().__init__()
        self.size = count(size, 1, "size")
        self.observation_size = count(observation_size, 1, "observation_size")
        self.action_size = count(action_size, 0, "action_size")
        self.register_buffer("fitted", torch.tensor(False))
        self._ready = False  # what `fitted` is known to hold: reading a buffer makes an accelerator wait

    @property
    def is_fitted(self) -> bool:
        """Whether `fit` was called, here or before the state_dict that was loaded was saved."""
        self._ready = self._ready or bool(self.fitted)
        return self._ready

    def fit(self: Self, observations: Tensor | NDArray[Any], actions: Tensor | NDArray[Any] | None = None) -> Self:
        """Fit to data, in place: observations (N, o), actions (N, a), or None where action_size is 0. Returns itself."""
        given = [_own(rows) for rows in (observations, actions) if rows is not None]
        inputs = self._join(*(rows.to(self.fitted.device, torch.float64) for rows in given))
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
        found = tuple(part.shape[-1] if part.ndim else 0 for part in rows)
        if found != sizes:
            what = "observations and actions" if self.action_size else "observations alone (action_size is 0)"
            raise LinearError(f"expected {what} of sizes {sizes}; found {found}")
        return torch.cat(rows, dim=-1) if len(rows) > 1 else rows[0]

    @abstractmethod
    def _fit(self, inputs: Tensor) -> None:
        """Set the buffers by data (N, o + a), float64."""

    @abstractmethod
    def _map(self, inputs: Tensor) -> Tensor:
        """(..., d) of inputs (..., o + a)."""


@final
class FourierFeatures(FeatureMap):
    """Random Fourier features of an RBF kernel on standardised inputs; |phi| = 1.

    Args:
        observation_size: o.
        action_size: a; 0 for features of the observation alone.
        size: d, even: half cosines, half sines.
        bandwidth: of the kernel, in standard deviations of the data; None: the median distance between rows of the data.
        seed: of the frequencies, and of the rows that the median is taken of where there are more than a thousand.
    """

    mean: Tensor
    std: Tensor
    frequencies: Tensor

    def __init__(
        self, observation_size: int, action_size: int = 0, *, size: int = 128, bandwidth: float | None = None, seed: int = 0
    ) -> None:
        super().__init__(size, observation_size, action_size)
        if size % 2:
            raise LinearError(f"expected an even size of Fourier features, half cosines and half sines; found {size}")
        self.bandwidth = None if bandwidth is None else at_least(bandwidth, 0, "bandwidth", strictly=True)
        self.seed = count(seed, 0, "seed")
        inputs = observation_size + action_size
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("std", torch.ones(inputs))
        self.register_buffer("frequencies", torch.zeros(inputs, size // 2))

    def _fit(self, inputs: Tensor) -> None:
        self.mean.copy_(inputs.mean(dim=0))
        spread = inputs.std(dim=0, correction=0)
        # A coordinate that never changes but for rounding is left in its own units.
        constant = spread <= 1e-6 * inputs.abs().amax(dim=0)
        self.std.copy_(torch.where(constant, 1.0, spread))
        generator = torch.Generator().manual_seed(self.seed)
        drawn = torch.randn(self.frequencies.shape, generator=generator, dtype=torch.float64).to(inputs.device)
        bandwidth = self.bandwidth
        if bandwidth is None:
            rows = torch.randperm(len(inputs), generator=generator)[:_PAIRED].to(inputs.device)
            bandwidth = _median_distance((inputs[rows] - self.mean) / self.std)
        self.frequencies.copy_(drawn / bandwidth)

    def _map(self, inputs: Tensor) -> Tensor:
        angles = ((inputs - self.mean) / self.std).to(self.mean.dtype) @ self.frequencies
        return torch.cat([angles.cos(), angles.sin()], dim=-1) * math.sqrt(2 / self.size)


@final
class IdentityFeatures(FeatureMap):
    """Given features: the observation (and action) itself, d = o + a. On one-hot observations it is tabular.

    Args:
        observation_size: o.
        action_size: a; 0 for the observation alone.
        normalise: divide by the largest norm in the data; else a norm above 1 there is a LinearError.
    """

    scale: Tensor

    def __init__(self, observation_size: int, action_size: int = 0, *, normalise: bool = False) -> None:
        super().__init__(observation_size + action_size, observation_size, action_size)
        self.normalise = normalise
        self.register_buffer("scale", torch.ones(()))

    def _fit(self, inputs: Tensor) -> None:
        largest = float(torch.linalg.vector_norm(inputs, dim=-1).max())
        if self.normalise:
            self.scale.fill_(largest or 1.0)
        elif largest > 1 + _ROUNDING:
            raise _too_long(largest, "use IdentityFeatures(..., normalise=True), which divides by it, or FourierFeatures")

    def _map(self, inputs: Tensor) -> Tensor:
        return inputs.to(self.scale.dtype) / self.scale


def _own(rows: Tensor | NDArray[Any]) -> Tensor:
    """As a tensor; torch warns of read-only arrays, so those are copied."""
    return rows.detach() if isinstance(rows, Tensor) else torch.from_numpy(np.require(rows, requirements="W"))


def _median_distance(rows: Tensor) -> float:
    """Between pairs of distinct rows; 1 where there are none."""
    distances = torch.nn.functional.pdist(rows)
    distances = distances[distances > 0]
    return float(distances.median()) if len(distances) else 1.0


def make_features(
    kind: FeatureKind,
    observation_size: int,
    action_size: int = 0,
    *,
    size: int = 128,
    bandwidth: float | None = None,
    seed: int = 0,
) -> FeatureMap:
    """A feature map by name: "fourier", or "observation", the given features, whose size is their own."""
    if kind == "fourier":
        return FourierFeatures(observation_size, action_size, size=size, bandwidth=bandwidth, seed=seed)
    if kind == "observation":
        return IdentityFeatures(observation_size, action_size)
    raise LinearError(f"expected features as one of {list(get_args(FeatureKind))}, or a feature map; found {kind!r}")


def admit_features(features: nn.Module, observations: Tensor, actions: Tensor | None = None) -> int:
    """Ready a feature map, ours or a user's, for data; returns its d.

    A `FeatureMap` that is not fitted is fitted to them. Any module with `size` and forward(observations, actions) serves.

    Args:
        features: the map.
        observations: (N, o).
        actions: (N, a), or None for a map of the observation alone.

    Raises:
        LinearError: it has no whole `size`, gives another shape, or a norm above 1 on these data.
    """
    if isinstance(features, FeatureMap) and not features.is_fitted:
        features.fit(observations, actions)
    d = count(getattr(features, "size", 0), 1, f"the size of {type(features).__name__}")
    largest = 0.0
    for rows in range(0, len(observations), max(1, CHUNK // d)):
        part = slice(rows, rows + max(1, CHUNK // d))
        with torch.no_grad():
            phi = features(observations[part], None if actions is None else actions[part])
        if phi.shape != (len(observations[part]), d):
            raise LinearError(
                f"expected {type(features).__name__} to give (N, {d}), as its size says; found {tuple(phi.shape)} for "
                f"N = {len(observations[part])}"
            )
        largest = max(largest, float(torch.linalg.vector_norm(phi, dim=-1).max()))
    if not largest <= 1 + _ROUNDING:  # nan too
        raise _too_long(largest, "divide by it")
    return d


def _too_long(largest: float, remedy: str) -> LinearError:
    return LinearError(f"expected features of norm at most 1, as the theory assumes; the data have norm {largest:g}: {remedy}")
