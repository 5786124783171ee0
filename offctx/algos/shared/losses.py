"""Losses and estimators of the deep learners: pure functions of tensors.

Dimensions: B batch, k members of an ensemble.
"""

import math

from torch import Tensor


def expectile_loss(targets: Tensor, values: Tensor, expectile: float) -> Tensor:
    """|expectile - 1(targets < values)| (targets - values)^2, elementwise (arXiv 2110.06169, Equation 5).

    Gradients reach the values only.
    """
    difference = targets.detach() - values
    weight = (expectile - (difference < 0).float()).abs()
    return weight * difference.square()


def td_targets(rewards: Tensor, next_values: Tensor, terminals: Tensor, discounts: Tensor) -> Tensor:
    """r + discount V(s') where the episode goes on, and r where it ends; all (B,)."""
    return rewards + discounts * next_values * (1 - terminals)


def td_loss(members: Tensor, targets: Tensor) -> Tensor:
    """Squared errors of the members (k, B) to shared targets (B,), summed over members: (B,)."""
    return (members - targets.detach()).square().sum(dim=0)


def advantage_weights(advantages: Tensor, inverse_temperature: float, largest: float) -> Tensor:
    """exp(inverse_temperature A), cut off: how much an action of the data is worth imitating (arXiv 2110.06169, Equation 7)."""
    return (inverse_temperature * advantages).exp().clamp(max=largest).detach()


def scale_free(values: Tensor) -> Tensor:
    """Values over the mean of their magnitude, through which no gradient goes (arXiv 2106.06860, Equation 5).

    One scale for a whole batch, so that contexts keep their proportions.
    """
    return values / values.detach().abs().mean().clamp_min(1e-8)


def value_bounds(reward_bounds: tuple[float, float], gamma: float, horizon: int | None) -> tuple[float, float]:
    """The least and largest discounted sum of 1 to `horizon` rewards within the bounds; None is for ever.

    A finite-horizon Q of the theory with H steps to go and rewards in [0, 1] lies in [0, H] (arXiv 2503.07988, Algorithm 1).
    """
    low, high = reward_bounds
    if horizon is not None:
        most = float(horizon) if gamma == 1 else (1 - gamma**horizon) / (1 - gamma)
    else:
        most = math.inf if gamma == 1 else 1 / (1 - gamma)
    return min(low, low * most) if low < 0 else low, max(high, high * most) if high > 0 else high
