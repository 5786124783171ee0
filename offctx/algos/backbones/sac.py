"""Soft actor-critic (arXiv 1812.05905), as d3rlpy has it.

An update:

1. a' ~ pi(s'), y = r + gamma (1 - terminal) (min_k Q_target_k(s', a') - alpha log pi(a'|s')); Q_k towards y.
2. Every `policy_delay` updates, a ~ pi(s): alpha against - log alpha (log pi(a|s) - |A|), and then the policy against
   alpha log pi(a|s) - min_k Q_k(s, a).
3. w_target += tau (w - w_target).

Dimensions: k critics, B rows, a action.
"""

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from offctx.algos.backbones.backbone import Backbone, Rates, frozen, q_values, target_of, track
from offctx.algos.backbones.squashed_gaussian import PAPER_LOG_STD, bounded_log_std, draw
from offctx.algos.context_inference.conditioned import Condition
from offctx.algos.context_inference.rows import NetworkShapes, Rows
from offctx.algos.shared.losses import td_loss, td_targets
from offctx.algos.shared.networks import make_optimiser, minimise


@dataclass(frozen=True)
class SACSettings:
    """Settings beside networks and rates.

    Attributes:
        tau: of the target update.
        n_critics: k.
        policy_delay: updates of the critics for one of policy and temperature.
        initial_temperature: alpha at the start.
        log_std: the bounds of the policy's log standard deviation.
        smooth_log_std: whether tanh keeps it within them; else it is clamped, as in d3rlpy.
    """

    tau: float = 0.005
    n_critics: int = 2
    policy_delay: int = 1
    initial_temperature: float = 1.0
    log_std: tuple[float, float] = PAPER_LOG_STD
    smooth_log_std: bool = True


class Temperature(nn.Module):
    """alpha, by its logarithm."""

    def __init__(self, initial: float) -> None:
        super().__init__()
        self.log = nn.Parameter(torch.full((1, 1), math.log(initial)))

    def forward(self) -> Tensor:
        return self.log.exp()[0, 0]


@final
class SAC(Backbone):
    """Soft actor-critic.

    Args:
        shapes: of the networks.
        settings: beside networks and rates.
        rates: of the optimisers.
        device: where the networks live.
    """

    def __init__(self, shapes: NetworkShapes, settings: SACSettings, rates: Rates, device: str) -> None:
        super().__init__()
        o, a = shapes.observation_size, shapes.action_size
        self._settings, self._action_size = settings, a
        self.policy = shapes.make(o, 2 * a)
        self.critics = shapes.make(o + a, 1, settings.n_critics)
        self.targets = target_of(self.critics)
        self.temperature = Temperature(settings.initial_temperature)
        self.to(device)
        self.optimisers = {
            "actor_optim": make_optimiser(rates.actor_factory, [("policy", self.policy)], rates.actor),
            "critic_optim": make_optimiser(rates.critic_factory, [("critics", self.critics)], rates.critic),
            "temperature_optim": make_optimiser(rates.critic_factory, [("temperature", self.temperature)], rates.temperature),
        }

    def _update(self, rows: Rows, condition: Condition, for_policy: Condition) -> dict[str, Tensor]:
        losses = {"critic_loss": self._update_critics(rows, condition)}
        if self.updates % self._settings.policy_delay == 0:
            losses |= self._update_policy(rows, condition, for_policy)
        track(self.targets, self.critics, self._settings.tau)
        return losses

    def mode(self, observations: Tensor, condition: Condition) -> Tensor:
        return self._gaussian(observations, condition)[0].tanh()

    def sample(self, observations: Tensor, condition: Condition, noise: Tensor | None = None) -> Tensor:
        return draw(*self._gaussian(observations, condition), noise)[0]

    def _update_critics(self, rows: Rows, condition: Condition) -> Tensor:
        with torch.no_grad():
            next_actions, log_probabilities = draw(*self._gaussian(rows.next_observations, condition))
            next_values = q_values(self.targets, rows.next_observations, next_actions, condition).amin(dim=0)
            soft_values = next_values - self.temperature() * log_probabilities
            targets = td_targets(rows.rewards, soft_values, rows.terminals, rows.discounts)
        loss = td_loss(q_values(self.critics, rows.observations, rows.actions, condition), targets).mean()
        minimise(self.optimisers["critic_optim"], loss)
        return loss.detach()

    def _update_policy(self, rows: Rows, condition: Condition, for_policy: Condition) -> dict[str, Tensor]:
        actions, log_probabilities = draw(*self._gaussian(rows.observations, for_policy))
        surplus = (log_probabilities - self._action_size).detach().mean()
        temperature_loss = -self.temperature() * surplus
        minimise(self.optimisers["temperature_optim"], temperature_loss)
        with frozen(self.critics):
            values = q_values(self.critics, rows.observations, actions, condition).amin(dim=0)
        temperature = self.temperature().detach()
        loss = (temperature * log_probabilities - values).mean()
        minimise(self.optimisers["actor_optim"], loss)
        losses = {"actor_loss": loss, "temp_loss": temperature_loss, "temp": temperature}
        return {name: value.detach() for name, value in losses.items()}

    def _gaussian(self, observations: Tensor, condition: Condition) -> tuple[Tensor, Tensor]:
        mean, raw = self.policy(observations, condition)[0].chunk(2, dim=-1)
        return mean, bounded_log_std(raw, self._settings.log_std, smooth=self._settings.smooth_log_std)
