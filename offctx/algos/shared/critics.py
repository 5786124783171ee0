"""Pessimistic critics, one set for each group of contexts.

Each group has its own quantifier Gamma_i, as in pessimistic policy evaluation (arXiv 2503.07988, Algorithm 1):

    Q_i(s, a) = clip( Q_hat_i(s, a) - Gamma_i(s, a), lowest, highest )

Q_hat_i is the least of the estimates of the k members of group i's ensemble, or their mean where Gamma_i is their standard
deviation.

Dimensions: n groups, k members, m slots of a group, B batch, o observation, a action, A discrete actions, h features of a
critic.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from offctx.algos.shared.layout import BatchLayout
from offctx.algos.shared.policies import ActionPolicy, DiscretePolicy
from offctx.algos.shared.stacked import Critic, Stacked
from offctx.algos.shared.uncertainty import Uncertainty


class CriticOutput(NamedTuple):
    """What the critics say of observations and actions, by slots (n, m) or by rows (B,).

    Attributes:
        q_values: Q_i, pessimistic, (n, m) or (B,); of all discrete actions (n, m, A).
        members: the estimate of each member, (k, n, m) or (k, B); of all discrete actions (k, n, m, A).
        features: the first member's penultimate layer, always by slots (n, m, h).
    """

    q_values: Tensor
    members: Tensor
    features: Tensor


class PessimisticCritics(nn.Module, ABC):
    """Critics, their slowly moving targets, and a quantifier.

    Args:
        make: makes one critic.
        groups: n.
        members: k.
        uncertainty: Gamma.
        bounds: lowest and highest value; None: values are not clipped.
    """

    def __init__(
        self,
        make: Callable[[], Critic],
        groups: int,
        members: int,
        uncertainty: Uncertainty,
        bounds: tuple[float, float] | None,
    ) -> None:
        super().__init__()
        self.online = Stacked(make, groups, members)
        self.target = Stacked(make, groups, members)
        self.target.track(self.online, 1.0)
        self.uncertainty, self.bounds = uncertainty, bounds

    @abstractmethod
    def of_slots(self, observations: Tensor, actions: Tensor, *, target: bool = False) -> CriticOutput:
        """Q_i(s, a) of observations (n, m, o) and actions (n, m, a or 1), by slots.

        Args:
            observations: (n, m, o).
            actions: (n, m, a), or (n, m, 1) with discrete actions.
            target: of the target critics.
        """

    @abstractmethod
    def expected(
        self, policy: ActionPolicy, observations: Tensor, layout: BatchLayout, *, target: bool = False, improve: bool = False
    ) -> Tensor:
        """E_{a ~ pi} Q_i(s, a) at observations (B, o), each by the critics of its own group: (B,).

        Args:
            policy: pi.
            observations: (B, o).
            layout: which observation belongs to which group.
            target: of the target critics.
            improve: differentiable in the policy, and in it alone; otherwise no gradients are recorded.
        """

    def of_rows(self, observations: Tensor, actions: Tensor, layout: BatchLayout, *, target: bool = False) -> CriticOutput:
        """Q_i(s, a) of observations (B, o) and actions (B, a or 1), each by the critics of its own group, by rows."""
        output = self.of_slots(layout.pack(observations), layout.pack(actions), target=target)
        return output._replace(q_values=layout.unpack(output.q_values), members=layout.unpack(output.members, lead=1))

    def observe(self, observations: Tensor, actions: Tensor, features: Tensor, layout: BatchLayout) -> None:
        """Show the quantifier the rows of a batch (B, ...), and their features (n, m, h)."""
        packed = layout.pack(observations), self._for_uncertainty(layout.pack(actions))
        self.uncertainty.observe(*packed, features.detach(), layout.mask)

    def prepare(self, observations: Tensor, actions: Tensor, groups: Tensor) -> None:
        """Show the quantifier all data, before training.

        Args:
            observations: (N, o).
            actions: (N, a or 1).
            groups: the group of each row, integers (N,).
        """
        self.uncertainty.prepare(observations, self._for_uncertainty(actions), groups)

    @abstractmethod
    def _for_uncertainty(self, actions: Tensor) -> Tensor:
        """Actions as quantifiers take them."""

    def _estimate(self, observations: Tensor, actions: Tensor | None, *, target: bool, frozen: bool = False) -> CriticOutput:
        """By slots; with discrete actions `actions` is None, and all are estimated. `frozen`: no gradients reach weights."""
        inputs = (observations,) if actions is None else (observations, actions)
        values, features = (self.target if target else self.online)(*inputs, frozen=frozen)
        members = values if actions is None else values.squeeze(-1)
        pooled = self.uncertainty.pessimistic(members, observations, actions, features[0])
        if self.bounds is not None:
            pooled = pooled.clamp(*self.bounds)
        return CriticOutput(pooled, members, features[0])


@final
class ContinuousCritics(PessimisticCritics):
    """Critics that take observations and actions."""

    def of_slots(self, observations: Tensor, actions: Tensor, *, target: bool = False) -> CriticOutput:
        """Q_i(s, a), by slots."""
        return self._estimate(observations, actions, target=target)

    def expected(
        self, policy: ActionPolicy, observations: Tensor, layout: BatchLayout, *, target: bool = False, improve: bool = False
    ) -> Tensor:
        """Q_i(s, a) of one action a ~ pi(. | s), (B,)."""
        with torch.set_grad_enabled(improve):
            actions = layout.pack(policy.sample(observations))
            return layout.unpack(self._estimate(layout.pack(observations), actions, target=target, frozen=True).q_values)

    def _for_uncertainty(self, actions: Tensor) -> Tensor:
        return actions


@final
class DiscreteCritics(PessimisticCritics):
    """Critics that take observations, and have a value for each action."""

    def of_slots(self, observations: Tensor, actions: Tensor, *, target: bool = False) -> CriticOutput:
        """Q_i(s, a), by slots."""
        output, index = self.of_all_actions(observations, target=target), actions.long()
        return output._replace(
            q_values=output.q_values.gather(-1, index)[..., 0],
            members=output.members.gather(-1, index.expand(*output.members.shape[:-1], 1))[..., 0],
        )

    def of_all_actions(self, observations: Tensor, *, target: bool = False) -> CriticOutput:
        """Q_i(s, .) of all actions at observations (n, m, o), by slots (n, m, A)."""
        return self._estimate(observations, None, target=target)

    def expected(
        self, policy: ActionPolicy, observations: Tensor, layout: BatchLayout, *, target: bool = False, improve: bool = False
    ) -> Tensor:
        """sum_a pi(a | s) Q_i(s, a), (B,). A deterministic policy is improved as the softmax that it is the mode of."""
        assert isinstance(policy, DiscretePolicy)
        with torch.no_grad():
            q_values = layout.unpack(self.of_all_actions(layout.pack(observations), target=target).q_values)
        with torch.set_grad_enabled(improve):
            chances = policy.log_probabilities(observations).exp() if improve else policy.acting_probabilities(observations)
            return (chances * q_values).sum(dim=-1)

    def _for_uncertainty(self, actions: Tensor) -> Tensor:
        return actions[..., 0].long()
