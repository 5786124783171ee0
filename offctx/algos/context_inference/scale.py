"""The running mean and spread of the features of transitions.

Changes of state are often a hundred times smaller than states and actions, and an encoder that reads them as they are learns
slowly what an action changed.

Dimensions: G windows, K slots, f features.
"""

import torch
from torch import Tensor, nn

_RATE = 0.01  # of the running averages, once so many batches were seen that their plain mean has a smaller one
_LEAST = 1e-6  # a spread below it is that of a constant
_LARGEST = 10.0  # beyond it, scaled features are clipped: a rare reward or a collision shall not drown the rest


class FeatureScale(nn.Module):
    """x -> (x - mean) / spread of each feature, clipped to [-10, 10]; mean 0 and spread 1 before the first batch.

    The averages go over all batches at first and forget after a hundred of them, so that they follow online data. They are
    saved with the encoder.

    Args:
        size: f.
        active: whether anything is scaled; else this is the identity, always.
    """

    mean: Tensor
    square: Tensor
    batches: Tensor

    def __init__(self, size: int, *, active: bool = True) -> None:
        super().__init__()
        self.active = active
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("square", torch.ones(size))  # of the distance from the mean
        self.register_buffer("batches", torch.zeros(()))

    @property
    def spread(self) -> Tensor:
        """The standard deviation of each feature (f,); 1 for a constant."""
        spread = self.square.sqrt()
        return torch.where(spread > _LEAST, spread, 1.0)

    @torch.no_grad()
    def update(self, features: Tensor, mask: Tensor) -> None:
        """Adds a batch of windows (G, K, f) of which the slots in `mask` (G, K) are filled; one without any is left out."""
        weights = mask.to(features.dtype)[..., None]
        count = weights.sum()
        known = (count > 1).to(features.dtype) * float(self.active)
        self.batches += known
        rate = known * (1 / self.batches.clamp_min(1)).clamp_min(_RATE)
        mean = (features * weights).sum(dim=(0, 1)) / count.clamp_min(1)
        self.mean += rate * (mean - self.mean)
        square = ((features - self.mean).square() * weights).sum(dim=(0, 1)) / count.clamp_min(1)
        self.square += rate * (square - self.square)

    def forward(self, features: Tensor) -> Tensor:
        """The scaled features (..., f)."""
        if not self.active:
            return features
        return ((features - self.mean) / self.spread).clamp(-_LARGEST, _LARGEST)
