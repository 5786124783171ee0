"""Networks of one shape as one module: the weights of n groups times k members are stacked, and called at once.

Dimensions: n groups, k members (an ensemble) in each, m rows of a group.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from d3rlpy.models.encoders import EncoderFactory
from d3rlpy.models.torch.encoders import Encoder, EncoderWithAction, compute_output_size
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from offctx.errors import AlgorithmError

_DOT = "__"  # parameter names have dots, which attributes may not


class Stacked(nn.Module):
    """n times k networks of one shape, whose inputs (n, m, ...) reach the networks of their own group only.

    Any network works that torch.func can batch. Networks whose buffers change when they are called (batch norm) are refused.

    Args:
        make: makes one of them; called n k times, so that each has its own initial weights.
        groups: n.
        members: k.

    Raises:
        AlgorithmError: a network with running statistics.
    """

    def __init__(self, make: Callable[[], nn.Module], groups: int, members: int = 1) -> None:
        super().__init__()
        networks = [make() for _ in range(groups * members)]
        weights, buffers = stack_module_state(networks)
        if buffers:
            raise AlgorithmError(
                f"expected an encoder without running statistics: many are trained as one; found {sorted(buffers)}. "
                f"Layer norm does what batch norm does here"
            )
        self.groups, self.members = groups, members
        for name, weight in weights.items():
            self.register_parameter(name.replace(".", _DOT), nn.Parameter(_transposed(weight.detach()).contiguous()))
        self._network = [networks[0].to("meta")]  # a list hides its parameters from this module's own

    def forward(self, *inputs: Tensor, frozen: bool = False) -> Any:
        """The outputs of the networks for inputs (n, m, ...), each tensor (k, n, m, ...).

        Args:
            inputs: one for each argument of a network.
            frozen: gradients reach the inputs only, not the weights.
        """
        network = self._network[0].train(self.training)
        weights = {name: weight.detach() if frozen else weight for name, weight in self._weights()}

        def call(own_weights: dict[str, Tensor], *own_inputs: Tensor) -> Any:
            return functional_call(network, own_weights, own_inputs)

        if self.groups * self.members == 1:  # nothing to batch
            outputs = call({name: weight[0] for name, weight in weights.items()}, *(x[0] for x in inputs))
            return tuple(x[None, None] for x in outputs) if isinstance(outputs, tuple) else outputs[None, None]
        repeated = [x.repeat(self.members, *[1] * (x.ndim - 1)) if self.members > 1 else x for x in inputs]
        outputs = vmap(call, randomness="different")(weights, *repeated)
        return tuple(self._by_member(x) for x in outputs) if isinstance(outputs, tuple) else self._by_member(outputs)

    def network(self, group: int, member: int = 0) -> dict[str, Tensor]:
        """The weights of one network by their names in it; views, so that `copy_` into them changes this module."""
        return {name: weight.detach()[member * self.groups + group] for name, weight in self._weights()}

    def track(self, other: "Stacked", rate: float) -> None:
        """w <- w + rate (w_other - w) for every weight: the update of target networks."""
        with torch.no_grad():
            torch._foreach_lerp_(list(self.parameters()), list(other.parameters()), rate)

    def _weights(self) -> Iterator[tuple[str, Tensor]]:
        """Stacked weights by their names in a network."""
        return ((name.replace(_DOT, "."), _transposed(weight)) for name, weight in self.named_parameters())

    def _by_member(self, x: Tensor) -> Tensor:
        return x.reshape(self.members, self.groups, *x.shape[1:])


def _transposed(weight: Tensor) -> Tensor:
    """Matrices are stored transposed, which is how autograd returns their gradients; else these were copied at each update."""
    return weight.mT if weight.ndim == 3 else weight


class Critic(nn.Module):
    """An encoder and a linear head: gives values (m, out) and the features in between (m, h).

    Args:
        encoder: d3rlpy's.
        features: h.
        out: how many values.
    """

    def __init__(self, encoder: Encoder | EncoderWithAction, features: int, out: int) -> None:
        super().__init__()
        self._encoder = encoder  # named as in d3rlpy's Q-functions, so that weights can be exchanged
        self._fc = nn.Linear(features, out)
        self.feature_size = features

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        features = self._encoder(*inputs)
        return self._fc(features), features


def make_critic(factory: EncoderFactory, observation_shape: Any, action_size: int | None, out: int = 1) -> Critic:
    """A critic of observations and actions, or of observations alone where `action_size` is None."""
    if action_size is None:
        encoder = factory.create(observation_shape)
        return Critic(encoder, compute_output_size([observation_shape], encoder), out)
    both = factory.create_with_action(observation_shape, action_size)
    return Critic(both, compute_output_size([observation_shape, (action_size,)], both), out)
