"""A bottleneck network with weights of its own for each context, added to the features of a network.

Dimensions: k members (networks side by side), G contexts, m rows of a context, w width of the features, b bottleneck.
"""

from typing import NamedTuple

from torch import Tensor
from torch.nn import functional


class AdapterWeights(NamedTuple):
    """The weights of adapters w -> b -> w, one for each context: shared by all members (j = 1), or of each member (j = k).

    Attributes:
        down: (j, G, w, b).
        down_bias: (j, G, b).
        up: (j, G, b, w).
        up_bias: (j, G, w).
    """

    down: Tensor
    down_bias: Tensor
    up: Tensor
    up_bias: Tensor

    def detach(self) -> "AdapterWeights":
        """The same weights, where no gradient reaches what made them."""
        return AdapterWeights(*(weight.detach() for weight in self))


def adapt(features: Tensor, weights: AdapterWeights) -> Tensor:
    """x + up( ReLU( down(x) ) ), each context with its own weights (arXiv 2602.06550, adapter).

    Args:
        features: x (k, G m, w), before their activation; the rows of a context side by side.
        weights: of the G contexts.

    Returns:
        (k, G m, w).
    """
    members, rows, width = features.shape
    own, contexts = weights.down.shape[:2]
    x = features.view(members, contexts, rows // contexts, width)
    if own == 1:  # the rows of all members go through one product for each context
        x = x.transpose(0, 1).reshape(1, contexts, members * (rows // contexts), width)
    hidden = functional.relu(x @ weights.down + weights.down_bias[:, :, None])
    change = hidden @ weights.up + weights.up_bias[:, :, None]
    if own == 1:
        change = change.view(contexts, members, rows // contexts, width).transpose(0, 1)
    return features + change.reshape(features.shape)


def adapter_size(width: int, bottleneck: int) -> int:
    """How many numbers an adapter has: 16,672 for 256 and 32."""
    return 2 * width * bottleneck + bottleneck + width
