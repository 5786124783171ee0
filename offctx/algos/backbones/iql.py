"""Implicit Q-learning (arXiv 2110.06169), as d3rlpy has it.

An update:

1. Q_k towards r + gamma (1 - terminal) V(s'); V by expectile regression to min_k Q_target_k(s, a); one optimiser for both.
2. The policy against - min( exp( weight_temp (min_k Q_target_k(s, a) - V(s)) ), max_weight ) log pi(a | s).
3. w_target += tau (w - w_target).

Dimensions: k critics, B rows, a action.
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from offctx.algos.backbones.backbone import Backbone, Rates, q_values, target_of, track
from offctx.algos.context_inference.conditioned import Condition
from offctx.algos.context_inference.rows import NetworkShapes, Rows
from offctx.algos.shared.losses import advantage_weights, expectile_loss, gaussian_log_likelihood, td_loss, td_targets
from offctx.algos.shared.networks import make_optimiser, minimise

_LOG_STD = (-5.0, 2.0)  # d3rlpy's


@dataclass(frozen=True)
class IQLSettings:
    """Settings beside networks and rates.

    Attributes:
        tau: of the target update.
        n_critics: k.
        expectile: of the value function, in (0, 1).
        weight_temp: the inverse temperature of the weights of actions.
        max_weight: the largest weight.
    """

    tau: float = 0.005
    n_critics: int = 2
    expectile: float = 0.7
    weight_temp: float = 3.0
    max_weight: float = 100.0


class GaussianSpread(nn.Module):
    """The standard deviation of the policy, the same in all states."""

    def __init__(self, action_size: int) -> None:
        super().__init__()
        self.raw = nn.Parameter(torch.zeros(1, action_size))

    def forward(self) -> Tensor:
        low, high = _LOG_STD
        return (low + (high - low) * self.raw.sigmoid()).exp()


@final
class IQL(Backbone):
    """Implicit Q-learning.

    Args:
        shapes: of the networks.
        settings: beside networks and rates.
        rates: of the optimisers.
        device: where the networks live.
    """

    def __init__(self, shapes: NetworkShapes, settings: IQLSettings, rates: Rates, device: str) -> None:
        super().__init__()
        o, a = shapes.observation_size, shapes.action_size
        self._settings = settings
        self.policy, self.spread = shapes.make(o, a), GaussianSpread(a)
        self.critics, self.value = shapes.make(o + a, 1, settings.n_critics), shapes.make(o, 1)
        self.targets = target_of(self.critics)
        self.to(device)
        policy, critics = [("policy", self.policy), ("spread", self.spread)], [("critics", self.critics), ("value", self.value)]
        self.optimisers = {
            "actor_optim": make_optimiser(rates.actor_factory, policy, rates.actor),
            "critic_optim": make_optimiser(rates.critic_factory, critics, rates.critic),
        }

    def _update(self, rows: Rows, condition: Condition, for_policy: Condition) -> dict[str, Tensor]:
        with torch.no_grad():
            data_values = q_values(self.targets, rows.observations, rows.actions, condition).amin(dim=0)
        losses = self._update_critics(rows, condition, data_values)
        losses |= self._update_policy(rows, condition, for_policy, data_values)
        track(self.targets, self.critics, self._settings.tau)
        return losses

    def mode(self, observations: Tensor, condition: Condition) -> Tensor:
        actions: Tensor = self.policy(observations, condition)[0]
        return actions.tanh()

    def sample(self, observations: Tensor, condition: Condition, noise: Tensor | None = None) -> Tensor:
        mean = self.mode(observations, condition)
        std: Tensor = self.spread()
        return (mean + (torch.randn_like(mean) if noise is None else noise) * std).clamp(-1, 1)

    def _update_critics(self, rows: Rows, condition: Condition, data_values: Tensor) -> dict[str, Tensor]:
        with torch.no_grad():
            next_values = self.value(rows.next_observations, condition)[0, :, 0]
            targets = td_targets(rows.rewards, next_values, rows.terminals, rows.discounts)
        q_loss = td_loss(q_values(self.critics, rows.observations, rows.actions, condition), targets).mean()
        values = self.value(rows.observations, condition)[0, :, 0]
        v_loss = expectile_loss(data_values, values, self._settings.expectile).mean()
        minimise(self.optimisers["critic_optim"], q_loss + v_loss)
        return {"critic_loss": (q_loss + v_loss).detach(), "q_loss": q_loss.detach(), "v_loss": v_loss.detach()}

    def _update_policy(self, rows: Rows, condition: Condition, for_policy: Condition, data_values: Tensor) -> dict[str, Tensor]:
        with torch.no_grad():
            advantages = data_values - self.value(rows.observations, condition)[0, :, 0]
        weights = advantage_weights(advantages, self._settings.weight_temp, self._settings.max_weight)
        means = self.mode(rows.observations, for_policy)
        loss = -(weights * gaussian_log_likelihood(rows.actions, means, self.spread())).mean()
        minimise(self.optimisers["actor_optim"], loss)
        return {"actor_loss": loss.detach()}
