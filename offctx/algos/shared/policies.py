"""Policies, for continuous and for discrete actions: modes, samples, imitation losses and divergences of a policy network.

Dimensions: B batch, o observation, a action, A discrete actions.
"""

import copy
from abc import ABC, abstractmethod
from typing import Any, Literal, Self, final

import torch
from d3rlpy.models.torch import NormalPolicy
from torch import Tensor, nn

from offctx.algos.shared.losses import gaussian_divergence, gaussian_log_likelihood

PolicyKind = Literal["stochastic", "deterministic"]


class ActionPolicy(ABC):
    """A policy pi(a | s), computed by a network.

    Attributes:
        network: d3rlpy's module.
        stochastic: whether `sample` draws an action, or gives the mode.
    """

    network: nn.Module
    stochastic: bool

    @abstractmethod
    def mode(self, observations: Tensor) -> Tensor:
        """The most likely action at observations (B, o): (B, a), or integers (B,)."""

    @abstractmethod
    def sample(self, observations: Tensor) -> Tensor:
        """An action at each of the observations (B, o), or the mode of a deterministic policy: (B, a), or integers (B,)."""

    @abstractmethod
    def imitation_loss(self, observations: Tensor, actions: Tensor) -> Tensor:
        """- log pi(a | s), up to a constant, of actions (B, a or 1) of the data: (B,)."""

    def with_network(self, network: nn.Module) -> Self:
        """The same kind of policy with another network."""
        other = copy.copy(self)
        other.network = network
        return other


@final
class ContinuousPolicy(ActionPolicy):
    """Actions in [-1, 1]^a: N(tanh(mu), sigma^2), clipped (d3rlpy's `NormalPolicy`); or tanh(mu) alone."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self.stochastic = isinstance(network, NormalPolicy)

    @property
    def action_size(self) -> int:
        """a."""
        last: Any = self.network._mu if self.stochastic else self.network._fc  # d3rlpy's names
        return int(last.out_features)

    def mode(self, observations: Tensor) -> Tensor:
        """tanh(mu), (B, a)."""
        mode: Tensor = self.network(observations).squashed_mu
        return mode

    def sample(self, observations: Tensor) -> Tensor:
        """tanh(mu) + sigma N(0, 1), clipped to [-1, 1]: (B, a). Differentiable in the policy."""
        if not self.stochastic:
            return self.mode(observations)
        means, stds = self._gaussian(observations)
        return (means + torch.empty_like(means).normal_() * stds).clamp(-1, 1)

    def imitation_loss(self, observations: Tensor, actions: Tensor) -> Tensor:
        """- log N(a; tanh(mu), sigma^2), (B,); of a deterministic policy |a - tanh(mu)|^2 / 2, as if sigma were 1."""
        if not self.stochastic:
            return (self.mode(observations) - actions).square().sum(dim=-1) / 2
        means, stds = self._gaussian(observations)
        return -gaussian_log_likelihood(actions, means, stds.expand_as(means))

    def divergence(self, observations: Tensor, base: Self) -> Tensor:
        """KL( pi || base ) at observations (B, o): (B,); of deterministic policies half the squared distance of the modes."""
        if not self.stochastic:
            modes = self.mode(observations)
            with torch.no_grad():
                base_modes = base.mode(observations)
            return (modes - base_modes).square().sum(dim=-1) / 2
        means, stds = self._gaussian(observations)
        with torch.no_grad():
            base_means, base_stds = base._gaussian(observations)
        return gaussian_divergence(means, stds, base_means, base_stds)

    def _gaussian(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """tanh(mu) (B, a) and sigma (1, a) of a stochastic policy."""
        output = self.network(observations)
        return output.squashed_mu, output.logstd.exp()


@final
class DiscretePolicy(ActionPolicy):
    """Actions 0..A-1: a softmax, or its largest."""

    def __init__(self, network: nn.Module, kind: PolicyKind) -> None:
        self.network = network
        self.stochastic = kind == "stochastic"

    def mode(self, observations: Tensor) -> Tensor:
        """argmax_a pi(a | s), integers (B,)."""
        return self.log_probabilities(observations).argmax(dim=-1)

    def sample(self, observations: Tensor) -> Tensor:
        """a ~ pi(. | s), integers (B,)."""
        if not self.stochastic:
            return self.mode(observations)
        return torch.multinomial(self.log_probabilities(observations).exp(), 1)[:, 0]

    def imitation_loss(self, observations: Tensor, actions: Tensor) -> Tensor:
        """- log pi(a | s) of actions (B, 1): (B,)."""
        return -self.log_probabilities(observations).gather(1, actions.long())[:, 0]

    def log_probabilities(self, observations: Tensor) -> Tensor:
        """log pi(. | s) of the softmax, (B, A).

        d3rlpy's module returns the same as a `torch.distributions.Categorical`, which looks at its arguments first; an
        accelerator has to wait for that.
        """
        logits: Tensor = self.network._fc(self.network._encoder(observations))  # type: ignore[operator]  # d3rlpy is untyped
        return logits - logits.logsumexp(dim=-1, keepdim=True)

    def acting_probabilities(self, observations: Tensor) -> Tensor:
        """The probabilities with which actions are taken (B, A): of a deterministic policy, 1 at the mode."""
        logs = self.log_probabilities(observations)
        if self.stochastic:
            return logs.exp()
        return torch.zeros_like(logs).scatter(-1, logs.argmax(dim=-1, keepdim=True), 1.0)
