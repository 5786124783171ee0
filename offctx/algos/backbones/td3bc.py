"""TD3+BC (arXiv 2106.06860), as d3rlpy has it.

An update:

1. a' = clip( pi_target(s') + clipped noise ), y = r + gamma (1 - terminal) min_k Q_target_k(s', a'); Q_k towards y.
2. Every `policy_delay` updates, the policy against |a - pi(s)|^2 - alpha Q_0(s, pi(s)) / mean |Q_0|, and both targets
   w_target += tau (w - w_target).

Dimensions: k critics, B rows, a action.
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from offctx.algos.backbones.backbone import Backbone, Rates, frozen, q_values, target_of, track
from offctx.algos.context_inference.conditioned import Condition
from offctx.algos.context_inference.rows import NetworkShapes, Rows
from offctx.algos.shared.losses import scale_free, td_loss, td_targets
from offctx.algos.shared.networks import make_optimiser, minimise


@dataclass(frozen=True)
class TD3BCSettings:
    """Settings beside networks and rates.

    Attributes:
        tau: of the target updates.
        n_critics: k.
        policy_delay: updates of the critics for one of the policy and of the targets.
        alpha: the weight of the critic, whose values are scaled to mean magnitude 1.
        noise: the standard deviation of the noise on target actions.
        noise_clip: the largest noise.
    """

    tau: float = 0.005
    n_critics: int = 2
    policy_delay: int = 2
    alpha: float = 2.5
    noise: float = 0.2
    noise_clip: float = 0.5


@final
class TD3BC(Backbone):
    """TD3+BC.

    Args:
        shapes: of the networks.
        settings: beside networks and rates.
        rates: of the optimisers.
        device: where the networks live.
    """

    def __init__(self, shapes: NetworkShapes, settings: TD3BCSettings, rates: Rates, device: str) -> None:
        super().__init__()
        o, a = shapes.observation_size, shapes.action_size
        self._settings = settings
        self.policy, self.critics = shapes.make(o, a), shapes.make(o + a, 1, settings.n_critics)
        self.target_policy = target_of(self.policy)
        self.targets = target_of(self.critics)
        self.to(device)
        self.optimisers = {
            "actor_optim": make_optimiser(rates.actor_factory, [("policy", self.policy)], rates.actor),
            "critic_optim": make_optimiser(rates.critic_factory, [("critics", self.critics)], rates.critic),
        }

    def _update(self, rows: Rows, condition: Condition, for_policy: Condition) -> dict[str, Tensor]:
        losses = {"critic_loss": self._update_critics(rows, condition)}
        if self.updates % self._settings.policy_delay == 0:
            losses |= self._update_policy(rows, condition, for_policy)
            track(self.targets, self.critics, self._settings.tau)
            track(self.target_policy, self.policy, self._settings.tau)
        return losses

    def mode(self, observations: Tensor, condition: Condition) -> Tensor:
        actions: Tensor = self.policy(observations, condition)[0]
        return actions.tanh()

    def sample(self, observations: Tensor, condition: Condition, noise: Tensor | None = None) -> Tensor:
        return self.mode(observations, condition)

    def _update_critics(self, rows: Rows, condition: Condition) -> Tensor:
        settings = self._settings
        with torch.no_grad():
            next_actions = self.target_policy(rows.next_observations, condition)[0].tanh()
            noise = (torch.randn_like(next_actions) * settings.noise).clamp(-settings.noise_clip, settings.noise_clip)
            next_actions = (next_actions + noise).clamp(-1, 1)
            next_values = q_values(self.targets, rows.next_observations, next_actions, condition).amin(dim=0)
            targets = td_targets(rows.rewards, next_values, rows.terminals, rows.discounts)
        loss = td_loss(q_values(self.critics, rows.observations, rows.actions, condition), targets).mean()
        minimise(self.optimisers["critic_optim"], loss)
        return loss.detach()

    def _update_policy(self, rows: Rows, condition: Condition, for_policy: Condition) -> dict[str, Tensor]:
        actions = self.mode(rows.observations, for_policy)
        with frozen(self.critics):
            values = q_values(self.critics, rows.observations, actions, condition)[0]
        imitation = (rows.actions - actions).square().mean()
        loss = imitation - self._settings.alpha * scale_free(values).mean()
        minimise(self.optimisers["actor_optim"], loss)
        return {"actor_loss": loss.detach(), "bc_loss": imitation.detach()}
