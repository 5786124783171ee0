"""Pessimistic critics, one set for each group of contexts, and what continuous and discrete actions make of them.

A critic is judged by the quantifier of its group, as pessimistic policy evaluation is (arXiv 2503.07988, Algorithm 1):

    Q_i(s, a) = clip( Q_hat_i(s, a) - Gamma_i(s, a), lowest, highest )

Dimensions: n groups, k members, m slots of a group, B batch, A discrete actions, h features of a critic.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal, NamedTuple, final

import torch
from d3rlpy.models.torch import NormalPolicy, Policy, build_gaussian_distribution
from d3rlpy.models.torch.policies import CategoricalPolicy
from torch import Tensor, nn
from torch.nn.functional import one_hot

from offctx.algos.groups import Layout
from offctx.algos.stacked import Critic, Stacked
from offctx.algos.uncertainty import EnsembleUncertainty, NoUncertainty, Uncertainty

PolicyKind = Literal["stochastic", "deterministic"]


class Judgement(NamedTuple):
    """What the critics say of packed observations.

    Attributes:
        values: pessimistic values, of the given actions (n, m), or of all discrete ones (n, m, A).
        members: each member's own estimate, (k, n, m) or (k, n, m, A).
        features: the first member's penultimate layer (n, m, h).
    """

    values: Tensor
    members: Tensor
    features: Tensor


class PessimisticCritics(nn.Module):
    """Critics, their slowly moving targets, and a quantifier.

    Args:
        make: makes one critic.
        groups: n.
        members: k.
        uncertainty: Gamma.
        bounds: lowest and highest value.
        discrete: whether actions are; the critics then have a value for each.
    """

    def __init__(
        self,
        make: Callable[[], Critic],
        groups: int,
        members: int,
        uncertainty: Uncertainty,
        bounds: tuple[float, float] | None,
        discrete: bool,
    ) -> None:
        super().__init__()
        self.online = Stacked(make, groups, members)
        self.target = Stacked(make, groups, members)
        self.target.track(self.online, 1.0)
        self.uncertainty, self.bounds, self.discrete = uncertainty, bounds, discrete

    def judge(
        self, observations: Tensor, actions: Tensor | None = None, *, target: bool = False, frozen: bool = False
    ) -> Judgement:
        """Judge packed observations (n, m, o) and continuous actions (n, m, a), or all discrete actions where None.

        Args:
            observations, actions: packed.
            target: by the target critics.
            frozen: gradients reach the actions only.
        """
        inputs = (observations,) if actions is None else (observations, actions)
        values, features = (self.target if target else self.online)(*inputs, frozen=frozen)
        members = values if actions is None else values.squeeze(-1)
        pooled = members.mean(dim=0) if isinstance(self.uncertainty, EnsembleUncertainty) else members.amin(dim=0)
        if not isinstance(self.uncertainty, NoUncertainty):
            pooled = pooled - self.uncertainty(observations, actions, features[0], members)
        if self.bounds is not None:
            pooled = pooled.clamp(*self.bounds)
        return Judgement(pooled, members, features[0])

    def observe(self, observations: Tensor, actions: Tensor, features: Tensor, mask: Tensor) -> None:
        """Show the quantifier a packed batch (n, m, ...)."""
        self.uncertainty.observe(observations, self._given(actions), features, mask)

    def prepare(self, observations: Tensor, actions: Tensor, groups: Tensor) -> None:
        """Show the quantifier all data (N, ...), before training."""
        self.uncertainty.prepare(observations, self._given(actions), groups)

    def _given(self, actions: Tensor) -> Tensor:
        """d3rlpy has discrete actions as a column of floats."""
        return actions[..., 0].long() if self.discrete else actions


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
