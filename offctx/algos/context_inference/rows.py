"""Transitions as tensors, and the shapes of the networks that read them.

Dimensions: B rows, o observation, a action, d latent.
"""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from offctx.algos.context_inference.conditioned import ConditionedNetworks, Use


class Rows(NamedTuple):
    """B transitions, the rows of a context side by side.

    Attributes:
        observations: (B, o).
        actions: (B, a), in [-1, 1].
        rewards: (B,).
        next_observations: (B, o).
        terminals: 1 where the environment ended the episode; 0 where it was truncated (B,).
        discounts: gamma to the number of steps (B,).
    """

    observations: Tensor
    actions: Tensor
    rewards: Tensor
    next_observations: Tensor
    terminals: Tensor
    discounts: Tensor


@dataclass(frozen=True)
class NetworkShapes:
    """What all networks of a learner share.

    Attributes:
        observation_size: o.
        action_size: a.
        use: how networks are told of the context.
        latent_size: d, or the number of coordinates of a given context; 0 where they are not told.
        width: of both hidden layers.
        bottleneck: of adapters.
        identity: whether generated adapters start as the identity.
    """

    observation_size: int
    action_size: int
    use: Use
    latent_size: int
    width: int = 256
    bottleneck: int = 32
    identity: bool = True

    def make(self, inputs: int, outputs: int, members: int = 1) -> ConditionedNetworks:
        """Networks of these shapes."""
        return ConditionedNetworks(
            inputs, outputs, self.use, self.latent_size, members=members, width=self.width, bottleneck=self.bottleneck,
            identity=self.identity,
        )  # fmt: skip
