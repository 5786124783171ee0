"""The hypernetwork: z -> the weights of an adapter.

Dimensions: j hypernetworks side by side, G contexts, d latent, w width of the features, b bottleneck, n numbers of an adapter.
"""

import math

import torch
from torch import Tensor, nn

from offctx.algos.context_inference.adapter import AdapterWeights, adapter_size
from offctx.algos.context_inference.stacked_linear import LinearParts, StackedLinear


class Hypernetwork(nn.Module):
    """Generates the weights of an adapter from z (arXiv 2602.06550: d -> 64 -> 64 -> n, ReLU).

    At initialisation `up` is 0 in every context, so that the adapter is the identity. `down` is as wide as torch starts a
    linear layer, and differs between contexts.

    Args:
        size: d.
        width: w.
        bottleneck: b.
        members: j.
        hidden: units of each hidden layer.
        identity: whether adapters start as the identity; else the last layer starts as torch starts it, as in the paper's code.
    """

    def __init__(
        self, size: int, width: int = 256, bottleneck: int = 32, members: int = 1, hidden: int = 64, *, identity: bool = True
    ) -> None:
        super().__init__()
        self.width, self.bottleneck = width, bottleneck
        self.trunk = nn.Sequential(
            StackedLinear(size, hidden, members), nn.ReLU(), StackedLinear(hidden, hidden, members), nn.ReLU()
        )
        sizes = [width * bottleneck, bottleneck, bottleneck * width, width]  # down, its bias, up, its bias
        self.last = LinearParts(StackedLinear(hidden, adapter_size(width, bottleneck), members), sizes)
        if not identity:
            return
        bound = 1 / math.sqrt(width)
        with torch.no_grad():
            self.last.biases[0].uniform_(-bound, bound)
            for zero in (self.last.biases[1], *self.last.weights[2:], *self.last.biases[2:]):
                zero.zero_()

    def forward(self, z: Tensor) -> AdapterWeights:
        """The weights of j times G adapters for z (G, d)."""
        w, b = self.width, self.bottleneck
        down, down_bias, up, up_bias = self.last(self.trunk(z))
        shape = down.shape[:2]
        return AdapterWeights(down.reshape(*shape, w, b), down_bias, up.reshape(*shape, b, w), up_bias)
