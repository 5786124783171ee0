"""One policy of several, each with the same probability.

Dimensions: M policies, B batch, o observation, a action, A discrete actions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from offctx.algos.shared.policies import ActionPolicy, DiscretePolicy


@dataclass(frozen=True)
class PolicyMixture:
    """One policy of several, each with the same probability: (1/M) sum_k pi_k.

    Attributes:
        policies: pi_1, ..., pi_M; all of one kind.
    """

    policies: Sequence[ActionPolicy]

    def mode(self, observations: Tensor) -> Tensor:
        """The action of largest mean probability, or the mean of the modes of continuous policies: (B, a), or integers (B,)."""
        if len(self.policies) == 1:
            return self.policies[0].mode(observations)
        if isinstance(self.policies[0], DiscretePolicy):
            return self.probabilities(observations).argmax(dim=-1)
        return torch.stack([policy.mode(observations) for policy in self.policies]).mean(dim=0)

    def sample(self, observations: Tensor) -> Tensor:
        """An action of a policy drawn anew for each observation: (B, a), or integers (B,)."""
        actions = torch.stack([policy.sample(observations) for policy in self.policies])
        chosen = torch.randint(len(self.policies), (len(observations),), device=observations.device)
        return actions[chosen, torch.arange(len(observations), device=observations.device)]

    def probabilities(self, observations: Tensor) -> Tensor:
        """(1/M) sum_k pi_k(. | s) of discrete policies, (B, A)."""
        policies = [cast(DiscretePolicy, policy) for policy in self.policies]
        return torch.stack([policy.log_probabilities(observations).exp() for policy in policies]).mean(dim=0)
