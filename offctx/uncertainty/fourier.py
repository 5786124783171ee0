"""Random Fourier features of an RBF kernel.

Source: Rahimi and Recht, "Random features for large-scale kernel machines", NeurIPS 2007. With frequencies w_k drawn from
N(0, I / bandwidth^2) and z the standardised (x, a),

    phi = [cos(w_1 z), ..., cos(w_m z), sin(w_1 z), ..., sin(w_m z)] / sqrt(m),        m = d / 2
    E[phi(z)^T phi(z')] = exp(-|z - z'|^2 / (2 bandwidth^2))

Cosines and sines, not cosines with random phases: the norm is then exactly 1.

Dimensions: N rows of data, d features.
"""

import math
from typing import final

import torch
from torch import Tensor

from offctx.checks import at_least, count
from offctx.errors import LinearError
from offctx.uncertainty.feature_map import FeatureMap

_PAIRED_ROWS = 1000  # rows of which the median distance is taken


@final
class FourierFeatures(FeatureMap):
    """Random Fourier features of an RBF kernel on standardised inputs; |phi| = 1.

    Args:
        observation_size: o.
        action_size: a; 0 for features of the observation alone.
        size: d, even: half cosines, half sines.
        bandwidth: of the kernel, in standard deviations of the data; None: the median distance between rows of the data.
        seed: of the frequencies, and of the thousand rows of which the median is taken where there are more.
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
        directions = torch.randn(self.frequencies.shape, generator=generator, dtype=torch.float64).to(inputs.device)
        bandwidth = self.bandwidth
        if bandwidth is None:
            rows = torch.randperm(len(inputs), generator=generator)[:_PAIRED_ROWS].to(inputs.device)
            bandwidth = _median_distance((inputs[rows] - self.mean) / self.std)
        self.frequencies.copy_(directions / bandwidth)

    def _map(self, inputs: Tensor) -> Tensor:
        angles = ((inputs - self.mean) / self.std).to(self.mean.dtype) @ self.frequencies
        return torch.cat([angles.cos(), angles.sin()], dim=-1) * math.sqrt(2 / self.size)


def _median_distance(rows: Tensor) -> float:
    """The median distance between pairs of distinct rows; 1 where there is no such pair."""
    distances = torch.nn.functional.pdist(rows)
    distances = distances[distances > 0]
    return float(distances.median()) if len(distances) else 1.0
