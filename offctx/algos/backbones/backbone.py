"""What the actor-critics have in common.

Dimensions: k critics, B rows, o observation, a action.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from d3rlpy.optimizers.optimizers import OptimizerFactory, OptimizerWrapper
from torch import Tensor, nn

from offctx.algos.context_inference.conditioned import Condition, ConditionedNetworks
from offctx.algos.context_inference.rows import Rows


@dataclass(frozen=True)
class Rates:
    """How networks are optimised: learning rates, and d3rlpy's factory of optimisers for each.

    Attributes:
        actor: of the policy.
        critic: of critics and value network.
        temperature: of SAC's temperature.
        actor_factory: makes the optimiser of the policy.
        critic_factory: makes those of critics and temperature.
    """

    actor: float
    critic: float
    temperature: float
    actor_factory: OptimizerFactory
    critic_factory: OptimizerFactory


class Backbone(nn.Module, ABC):
    """An actor-critic. Its modules and the number of its updates are saved with the learner.

    Attributes:
        policy: the policy's networks.
        critics: the k critics.
        optimisers: under the names in saved files.
        updates: how many there were.
    """

    policy: ConditionedNetworks
    critics: ConditionedNetworks
    optimisers: dict[str, OptimizerWrapper]

    def __init__(self) -> None:
        super().__init__()
        self.updates = 0

    def get_extra_state(self) -> int:
        """The number of updates, which decides when a delayed policy is updated next."""
        return self.updates

    def set_extra_state(self, state: int) -> None:
        """Goes on from a number of updates."""
        self.updates = state

    def update(self, rows: Rows, condition: Condition, for_policy: Condition | None = None) -> dict[str, Tensor]:
        """One update, from transitions to losses, which stay on their device.

        Args:
            rows: B transitions.
            condition: what is known of their contexts; no gradient reaches what made it.
            for_policy: the same as the policy is told it in its own loss, whose gradient goes on into what made it; `condition`
                where not given.
        """
        losses = self._update(rows, condition, condition if for_policy is None else for_policy)
        self.updates += 1
        return losses

    @abstractmethod
    def _update(self, rows: Rows, condition: Condition, for_policy: Condition) -> dict[str, Tensor]: ...

    @abstractmethod
    def mode(self, observations: Tensor, condition: Condition) -> Tensor:
        """The most likely actions (B, a)."""

    @abstractmethod
    def sample(self, observations: Tensor, condition: Condition, noise: Tensor | None = None) -> Tensor:
        """Actions drawn from the policy (B, a), by standard normal noise (B, a), which PyTorch draws where it is not given."""

    def values(self, observations: Tensor, actions: Tensor, condition: Condition) -> Tensor:
        """The mean of the critics (B,)."""
        return q_values(self.critics, observations, actions, condition).mean(dim=0)


def q_values(critics: ConditionedNetworks, observations: Tensor, actions: Tensor, condition: Condition) -> Tensor:
    """Q of all members (k, B)."""
    values: Tensor = critics(torch.cat([observations, actions], dim=-1), condition)
    return values[..., 0]


def track(targets: nn.Module, networks: nn.Module, rate: float) -> None:
    """w_target <- w_target + rate (w - w_target)."""
    with torch.no_grad():
        torch._foreach_lerp_(list(targets.parameters()), list(networks.parameters()), rate)


def target_of(networks: ConditionedNetworks) -> ConditionedNetworks:
    """A copy of networks, which gradients do not change."""
    return copy.deepcopy(networks).requires_grad_(False)


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Within, gradients pass through the module and leave its weights alone, which saves their computation."""
    weights = [weight for weight in module.parameters() if weight.requires_grad]
    for weight in weights:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in weights:
            weight.requires_grad_(True)
