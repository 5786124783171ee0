"""The last part of an encoder: from the vector of a window to z.

Dimensions: W windows, h hidden, d latent.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from offctx.algos.context_inference.normalisation import SimNorm

_LOG_STD = (-5.0, 2.0)


class Latent(NamedTuple):
    """What an encoder says of the context.

    Attributes:
        z: (W, d).
        mean: of the Gaussian from which z was drawn (W, d); z itself where it is deterministic.
        log_std: of this Gaussian (W, d), or None.
    """

    z: Tensor
    mean: Tensor
    log_std: Tensor | None = None


class DeterministicHead(nn.Module):
    """z = activation( linear ).

    Args:
        hidden: h.
        size: d.
        activation: without weights.
    """

    def __init__(self, hidden: int, size: int, activation: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(hidden, size), activation)

    def forward(self, x: Tensor) -> Latent:
        z = self.layers(x)
        return Latent(z, z)


class GaussianHead(nn.Module):
    """z ~ N( mean, std^2 ) in training, the mean in evaluation, as in DMA-Pearl (arXiv 2602.06550).

    Args:
        hidden: h.
        size: d.
        layer_norm: normalise mean and log_std together, as the paper's public code does by accident.
    """

    def __init__(self, hidden: int, size: int, *, layer_norm: bool = False) -> None:
        super().__init__()
        linear = nn.Linear(hidden, 2 * size)
        self.layer = nn.Sequential(linear, nn.LayerNorm(2 * size)) if layer_norm else linear

    def forward(self, x: Tensor) -> Latent:
        mean, log_std = self.layer(x).chunk(2, dim=-1)
        log_std = log_std.clamp(*_LOG_STD)
        z = mean + log_std.exp() * torch.randn_like(mean) if self.training else mean
        return Latent(z, mean, log_std)


HEADS: Mapping[str, Callable[[int, int], nn.Module]] = {
    "simnorm": lambda hidden, size: DeterministicHead(hidden, size, SimNorm()),  # DMA*, DMA*-SH (arXiv 2602.06550)
    "bounded": lambda hidden, size: DeterministicHead(hidden, size, nn.Tanh()),  # as FOCAL's metric needs it (arXiv 2010.01112)
    "linear": lambda hidden, size: DeterministicHead(hidden, size, nn.Identity()),  # DMA (arXiv 2602.06550)
    "gaussian": GaussianHead,
    "gaussian-layer-norm": partial(GaussianHead, layer_norm=True),
}
