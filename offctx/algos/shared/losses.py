"""Losses and estimators of the deep learners: pure functions of tensors.

Dimensions: B batch, k members of an ensemble, a action, A discrete actions.
"""

import math

from torch import Tensor


def td_targets(rewards: Tensor, next_values: Tensor, terminals: Tensor, discounts: Tensor) -> Tensor:
    """r + discount V(s') where the episode goes on, and r where it ends; all (B,)."""
    return rewards + discounts * next_values * (1 - terminals)


def td_loss(members: Tensor, targets: Tensor) -> Tensor:
    """Squared errors of the members (k, B) to shared targets (B,), summed over members: (B,)."""
    return (members - targets.detach()).square().sum(dim=0)


def expectile_loss(targets: Tensor, values: Tensor, expectile: float) -> Tensor:
    """|expectile - 1(targets < values)| (targets - values)^2, elementwise (arXiv 2110.06169, Equation 5).

    Gradients reach the values only.
    """
    difference = targets.detach() - values
    weight = (expectile - (difference < 0).float()).abs()
    return weight * difference.square()


def sum_of_group_means(losses: Tensor, counts: Tensor) -> Tensor:
    """sum_i (1 / |B_i|) sum_{rows of group i} loss: what n separate learners would minimise.

    Args:
        losses: (B,).
        counts: |B_i|, how many rows the group of each row has in the batch (B,).
    """
    return (losses / counts).sum()


def advantage_weights(advantages: Tensor, inverse_temperature: float, largest: float) -> Tensor:
    """min( exp(inverse_temperature A), largest ): the weight of an action of the data (arXiv 2110.06169, Equation 7)."""
    return (inverse_temperature * advantages).exp().clamp(max=largest).detach()


def scale_free(values: Tensor) -> Tensor:
    """Q / mean |Q|, where no gradient goes through the mean (arXiv 2106.06860, Equation 5).

    There is one scale for a whole batch, so that contexts keep their proportions.
    """
    return values / values.detach().abs().mean().clamp_min(1e-8)


def gaussian_log_likelihood(actions: Tensor, means: Tensor, stds: Tensor) -> Tensor:
    """log N(actions; means, stds^2) of independent coordinates (B, a): (B,).

    `torch.distributions.Normal` computes the same, but first looks at its arguments, for which an accelerator has to wait.
    """
    variances = stds**2
    logs = -((actions - means) ** 2) / (2 * variances) - stds.log() - math.log(math.sqrt(2 * math.pi))
    return logs.sum(dim=-1)


def gaussian_divergence(means: Tensor, stds: Tensor, base_means: Tensor, base_stds: Tensor) -> Tensor:
    """KL( N(means, stds^2) || N(base_means, base_stds^2) ) of independent coordinates (B, a): (B,)."""
    ratios = (stds / base_stds).square()
    distances = ((means - base_means) / base_stds).square()
    return (ratios + distances - 1 - ratios.log()).sum(dim=-1) / 2


def categorical_divergence(log_probabilities: Tensor, base_log_probabilities: Tensor) -> Tensor:
    """KL( pi || pi_t ) = sum_a pi(a) (log pi(a) - log pi_t(a)), given logarithms (B, A): (B,)."""
    return (log_probabilities.exp() * (log_probabilities - base_log_probabilities)).sum(dim=-1)


def cross_entropy(target_probabilities: Tensor, log_probabilities: Tensor) -> Tensor:
    """- sum_a target(a) log pi(a), given (B, A): (B,)."""
    return -(target_probabilities * log_probabilities).sum(dim=-1)


def exponentiated(log_probabilities: Tensor, values: Tensor, step_size: float | Tensor) -> Tensor:
    """pi_t(a) exp( alpha Q(a) ) / sum_b pi_t(b) exp( alpha Q(b) ): (B, A) (arXiv 2503.07988, Algorithm 3).

    Args:
        log_probabilities: log pi_t (B, A).
        values: Q (B, A).
        step_size: alpha, a number or a scalar.
    """
    return (log_probabilities + step_size * values).softmax(dim=-1)


def spread(values: Tensor) -> Tensor:
    """How far values (B, A) differ between actions: the mean of |Q(x, a) - mean_a Q(x, .)|, a scalar."""
    return (values - values.mean(dim=-1, keepdim=True)).abs().mean()


def value_bounds(reward_bounds: tuple[float, float], gamma: float, horizon: int | None) -> tuple[float, float]:
    """The least and largest of sum_{t < T} gamma^t r_t over 1 <= T <= horizon and rewards r_t within the bounds.

    In the theory, Q with H steps to go and rewards in [0, 1] lies in [0, H] (arXiv 2503.07988, Algorithm 1).

    Args:
        reward_bounds: the least and largest reward.
        gamma: the discount, in [0, 1].
        horizon: the most steps of an episode; None: there is no such limit.

    Returns:
        The lowest and highest value; infinite where gamma is 1 and there is no horizon.
    """
    low, high = reward_bounds
    if horizon is not None:
        most = float(horizon) if gamma == 1 else (1 - gamma**horizon) / (1 - gamma)
    else:
        most = math.inf if gamma == 1 else 1 / (1 - gamma)
    return min(low, low * most) if low < 0 else low, max(high, high * most) if high > 0 else high
