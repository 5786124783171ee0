"""Networks that are told of the context: as an input, or through adapters before the last activation.

Policy, critics and dynamics model of all methods are such networks. The rows of a context stand side by side.

Dimensions: k members, G contexts, m rows of a context, B = G m rows, i inputs, w width, out outputs, d latent.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from offctx.algos.context_inference.adapter import AdapterWeights, adapt
from offctx.algos.context_inference.hypernetwork import Hypernetwork
from offctx.algos.context_inference.stacked_linear import StackedLinear

Use = Literal["none", "concat", "adapter", "shared"]


@dataclass(frozen=True, eq=False)
class Condition:
    """What networks are told of G contexts.

    Attributes:
        z: what is known of each (G, d); None: nothing.
        shared: the weights of the adapters that all networks share, or None.
    """

    z: Tensor | None = None
    shared: AdapterWeights | None = None

    def detach(self) -> "Condition":
        """The same, where no gradient reaches what made it."""
        z, shared = self.z, self.shared
        return Condition(None if z is None else z.detach(), None if shared is None else shared.detach())


class ConditionedNetworks(nn.Module):
    """k networks side by side: linear, ReLU, linear, adapter, ReLU, linear (arXiv 2602.06550).

    Args:
        inputs: i, without z.
        outputs: out.
        use: "none": not told of the context; "concat": z is an input; "adapter": each has a hypernetwork of its own, from z to
            its adapter; "shared": the condition brings the adapters.
        size: d; 0 with "none".
        members: k.
        width: w.
        bottleneck: of adapters.
        identity: whether generated adapters start as the identity.
    """

    def __init__(
        self, inputs: int, outputs: int, use: Use, size: int = 0, *, members: int = 1, width: int = 256, bottleneck: int = 32,
        identity: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.use = use
        self.first = StackedLinear(inputs + (size if use == "concat" else 0), width, members)
        self.second, self.head = StackedLinear(width, width, members), StackedLinear(width, outputs, members)
        own = Hypernetwork(size, width, bottleneck, members, identity=identity) if use == "adapter" else None
        self.hypernetwork = own

    def forward(self, x: Tensor, condition: Condition) -> Tensor:
        """The outputs (k, B, out).

        Args:
            x: the inputs (B, i), rows of one context side by side.
            condition: of the G contexts.
        """
        if self.use == "concat":
            assert condition.z is not None
            x = torch.cat([x, condition.z.repeat_interleave(len(x) // len(condition.z), dim=0)], dim=-1)
        features = self.second(functional.relu(self.first(x)))
        if self.use == "shared":
            assert condition.shared is not None
            features = adapt(features, condition.shared)
        elif self.hypernetwork is not None:
            assert condition.z is not None
            features = adapt(features, self.hypernetwork(condition.z))
        outputs: Tensor = self.head(functional.relu(features))
        return outputs
