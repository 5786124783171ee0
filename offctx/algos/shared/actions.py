"""A policy and its critics' values, for continuous and for discrete actions."""

from abc import ABC, abstractmethod
from typing import Literal, final

import torch
from d3rlpy.models.torch import NormalPolicy, Policy, build_gaussian_distribution
from d3rlpy.models.torch.policies import CategoricalPolicy
from torch import Tensor, nn
from torch.nn.functional import one_hot

from offctx.algos.shared.critics import Judgement, PessimisticCritics
from offctx.algos.shared.layout import Layout

PolicyKind = Literal["stochastic", "deterministic"]


class Actions(ABC):
    """A policy and how the critics judge it; what differs between continuous and discrete actions.

    Attributes:
        policy: the network.
    """

    policy: nn.Module

    @abstractmethod
    def greedy(self, observations: Tensor) -> Tensor:
        """The policy's mode at observations (B, o): (B, a), or integers (B,)."""

    @abstractmethod
    def draw(self, observations: Tensor) -> Tensor:
        """An action of the policy at each of the observations; differentiable where continuous."""

    @abstractmethod
    def cost(self, observations: Tensor, actions: Tensor) -> Tensor:
        """How badly the policy imitates actions (B, a or 1): the negative log-likelihood, up to a constant (B,)."""

    @abstractmethod
    def taken(self, critics: PessimisticCritics, observations: Tensor, actions: Tensor, *, target: bool = False) -> Judgement:
        """The judgement of packed observations and the packed actions (n, m, a or 1) that were taken there: values (n, m)."""

    @abstractmethod
    def expected(self, critics: PessimisticCritics, observations: Tensor, layout: Layout, *, target: bool = False) -> Tensor:
        """The policy's pessimistic value at observations (B, o), each by its own group: (B,). The critics get no gradient."""


@final
class ContinuousActions(Actions):
    """Actions in [-1, 1]^a: a Gaussian around tanh of the network (d3rlpy's `NormalPolicy`), or the tanh itself."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.stochastic = isinstance(policy, NormalPolicy)

    def greedy(self, observations: Tensor) -> Tensor:
        """See `Actions`."""
        mode: Tensor = self.policy(observations).squashed_mu
        return mode

    def draw(self, observations: Tensor) -> Tensor:
        """See `Actions`; a deterministic policy draws its mode."""
        if not self.stochastic:
            return self.greedy(observations)
        drawn: Tensor = build_gaussian_distribution(self.policy(observations)).sample()
        return drawn

    def cost(self, observations: Tensor, actions: Tensor) -> Tensor:
        """See `Actions`; a deterministic policy counts as a Gaussian of unit variance."""
        if not self.stochastic:
            return (self.greedy(observations) - actions).square().sum(dim=-1) / 2
        likelihood: Tensor = build_gaussian_distribution(self.policy(observations)).log_prob(actions)
        return -likelihood[:, 0]

    def taken(self, critics: PessimisticCritics, observations: Tensor, actions: Tensor, *, target: bool = False) -> Judgement:
        """See `Actions`."""
        return critics.judge(observations, actions, target=target)

    def expected(self, critics: PessimisticCritics, observations: Tensor, layout: Layout, *, target: bool = False) -> Tensor:
        """See `Actions`; of one action drawn."""
        drawn = layout.pack(self.draw(observations))
        return layout.unpack(critics.judge(layout.pack(observations), drawn, target=target, frozen=True).values)


@final
class DiscreteActions(Actions):
    """Actions 0..A-1: a softmax, or its largest."""

    def __init__(self, policy: CategoricalPolicy, kind: PolicyKind) -> None:
        self.policy = policy
        self.stochastic = kind == "stochastic"

    def greedy(self, observations: Tensor) -> Tensor:
        """See `Actions`."""
        return self.log_probabilities(observations).argmax(dim=-1)

    def draw(self, observations: Tensor) -> Tensor:
        """See `Actions`; a deterministic policy draws its mode."""
        if not self.stochastic:
            return self.greedy(observations)
        return torch.multinomial(self.log_probabilities(observations).exp(), 1)[:, 0]

    def cost(self, observations: Tensor, actions: Tensor) -> Tensor:
        """See `Actions`."""
        return -self.log_probabilities(observations).gather(1, actions.long())[:, 0]

    def taken(self, critics: PessimisticCritics, observations: Tensor, actions: Tensor, *, target: bool = False) -> Judgement:
        """See `Actions`."""
        found = critics.judge(observations, target=target)
        at = actions.long()
        return found._replace(
            values=found.values.gather(-1, at)[..., 0],
            members=found.members.gather(-1, at.expand(*found.members.shape[:-1], 1))[..., 0],
        )

    def expected(self, critics: PessimisticCritics, observations: Tensor, layout: Layout, *, target: bool = False) -> Tensor:
        """See `Actions`; over all actions. A deterministic policy is improved as the softmax that it is the mode of."""
        with torch.no_grad():
            values = layout.unpack(critics.judge(layout.pack(observations), target=target).values)
        logs = self.log_probabilities(observations)
        deterministic = not self.stochastic and not torch.is_grad_enabled()
        chances = one_hot(logs.argmax(dim=-1), logs.shape[-1]) if deterministic else logs.exp()
        return (chances * values).sum(dim=-1)

    def log_probabilities(self, observations: Tensor) -> Tensor:
        """Of all actions at observations (B, o): (B, A)."""
        logs: Tensor = self.policy(observations).logits  # Categorical normalises them
        return logs
