"""Given features: the observation and the continuous action themselves.

Dimensions: N rows of data, o observation, a action.
"""

from typing import final

import torch
from torch import Tensor

from offctx.uncertainty.feature_map import ROUNDING, FeatureMap, too_long


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
        elif largest > 1 + ROUNDING:
            raise too_long(largest, "use IdentityFeatures(..., normalise=True), which divides by it, or FourierFeatures")

    def _map(self, inputs: Tensor) -> Tensor:
        return inputs.to(self.scale.dtype) / self.scale
