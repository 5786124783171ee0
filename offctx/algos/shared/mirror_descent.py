"""PPPO's improvement of a policy, as a loss for each state.

Source: arXiv 2503.07988, Algorithm 3. The next policy is

    pi_{t+1}(a | x) = pi_t(a | x) exp( alpha Q_i(x, a) ) / sum_b pi_t(b | x) exp( alpha Q_i(x, b) )
                    = argmax_pi  alpha E_{a ~ pi} Q_i(x, a) - KL( pi || pi_t )

Dimensions: B batch, o observation, a action, A discrete actions.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from offctx.algos.shared.critics import DiscreteCritics, PessimisticCritics
from offctx.algos.shared.layout import BatchLayout
from offctx.algos.shared.losses import categorical_divergence, cross_entropy, exponentiated, spread
from offctx.algos.shared.policies import ContinuousPolicy, DiscretePolicy


@dataclass(frozen=True)
class StepSize:
    """alpha, or alpha / (mean |Q(x, a) - mean_b Q(x, b)|).

    Attributes:
        alpha: the setting.
        scale_free: whether alpha is divided by how far values differ between actions.
    """

    alpha: float
    scale_free: bool

    def of(self, values: Tensor) -> float | Tensor:
        """The step size, given the values of several actions (B, A)."""
        return self.alpha / spread(values).clamp_min(1e-8) if self.scale_free else self.alpha


class Improvement(Protocol):
    """Computes a loss for each state, which is least where the policy is pi_{t+1}."""

    def __call__(
        self, policy: Any, base: Any, critics: Any, step_size: StepSize, observations: Tensor, /
    ) -> tuple[Tensor, Tensor]:
        """The losses, and how far the policy is from pi_t.

        Args:
            policy: pi, which is trained.
            base: pi_t.
            critics: Q_i, of one group.
            step_size: gives alpha.
            observations: x (B, o).

        Returns:
            The losses and the divergences, (B,) each.
        """


def discrete_improvement(
    policy: DiscretePolicy, base: DiscretePolicy, critics: DiscreteCritics, step_size: StepSize, observations: Tensor
) -> tuple[Tensor, Tensor]:
    """- sum_a pi_{t+1}(a | x) log pi(a | x), where pi_{t+1} is known exactly; and KL( pi || pi_t ). An `Improvement`."""
    with torch.no_grad():
        q_values = critics.of_all_actions(observations[None]).q_values[0]
        base_logs = base.log_probabilities(observations)
        next_policy = exponentiated(base_logs, q_values, step_size.of(q_values))
    logs = policy.log_probabilities(observations)
    return cross_entropy(next_policy, logs), categorical_divergence(logs, base_logs)


def continuous_improvement(
    policy: ContinuousPolicy, base: ContinuousPolicy, critics: PessimisticCritics, step_size: StepSize, observations: Tensor
) -> tuple[Tensor, Tensor]:
    """KL( pi || pi_t ) - alpha Q_i(x, a) of one a ~ pi(. | x), which is least at pi_{t+1}; and KL( pi || pi_t ).

    For a deterministic policy half the squared distance of the modes takes the place of KL. An `Improvement`.
    """
    layout = BatchLayout.single(len(observations), str(observations.device))
    q_values = critics.expected(policy, observations, layout, improve=True)
    alpha: float | Tensor = step_size.alpha
    if step_size.scale_free:
        alpha = step_size.of(_values_of_uniform_actions(critics, observations, policy.action_size))
    divergences = policy.divergence(observations, base)
    return divergences - alpha * q_values, divergences


@torch.no_grad()
def _values_of_uniform_actions(critics: PessimisticCritics, observations: Tensor, action_size: int) -> Tensor:
    """Q_i(x, .) of two actions drawn uniformly from [-1, 1]^a, (B, 2)."""
    actions = 2 * torch.rand(2, len(observations), action_size, device=observations.device) - 1
    return torch.stack([critics.of_slots(observations[None], each[None]).q_values[0] for each in actions], dim=-1)
