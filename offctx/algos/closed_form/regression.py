"""One step of pessimistic evaluation, in all environments at once: the regression of r + gamma V(x') on features, by action.

    w_{h,a} = Lambda_{h,a}^{-1} sum psi(x) (r + gamma V_{h+1}(x')),        Lambda_{h,a} = sum psi(x) psi(x)^T + ridge I

Dimensions: n environments, K transitions of one environment at one step (padded with zeros), A actions, m features, R policies
at once.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class StepRegression(NamedTuple):
    """The data of one step and what their regression needs, in every environment.

    Attributes:
        features: psi(x), (n, K, m).
        chosen: which action was taken, (n, K, A), 0 or 1.
        rewards: (n, K).
        discounts: gamma, or 0 where the episode terminated, (n, K).
        next_features: psi(x'), (n, K, m).
        next_bonus: Gamma of the next step at x', (n, K, A).
        whitening: L^{-1} for Lambda = L L^T, (n, A, m, m).
    """

    features: Tensor
    chosen: Tensor
    rewards: Tensor
    discounts: Tensor
    next_features: Tensor
    next_bonus: Tensor
    whitening: Tensor


class Starts(NamedTuple):
    """The environments' own initial observations: features (n, K, m), Gamma (n, K, A), and shares (n, K) that sum to 1."""

    features: Tensor
    bonus: Tensor
    shares: Tensor


def linear_values(features: Tensor, weights: Tensor) -> Tensor:
    """psi^T w of psi (n, K, m) and weights (n or 1, m, R, A): (n, K, R, A)."""
    product = features @ weights.flatten(-2)
    return product.reshape(*product.shape[:-1], *weights.shape[-2:])


def sweep(step: StepRegression, next_weights: Tensor | None, policy: Tensor | None, low: float, high: float) -> Tensor:
    """One step backwards: w_h (n, m, R, A) from w_{h+1}.

    Args:
        step: the data of h.
        next_weights: w_{h+1} (n, m, R, A); None where h is the last step.
        policy: pi_{h+1} at the next observations (n, K, R, A); greedy where None.
        low, high: bounds of Q_{h+1}.
    """
    targets = step.rewards[..., None]
    if next_weights is not None:
        q = (linear_values(step.next_features, next_weights) - step.next_bonus[:, :, None]).clamp(low, high)
        v = q.amax(dim=-1) if policy is None else (q * policy).sum(dim=-1)
        targets = targets + step.discounts[..., None] * v
    by_action = targets[..., None] * step.chosen[:, :, None]  # (n, K, R, A)
    sums = step.features.mT @ by_action.flatten(-2)
    sums = sums.reshape(len(by_action), -1, *by_action.shape[-2:]).permute(0, 3, 1, 2)  # (n, A, m, R)
    weights: Tensor = step.whitening.mT @ (step.whitening @ sums)
    return weights.permute(0, 2, 3, 1)


def packer(environments: Tensor, n: int) -> Callable[[Tensor], Tensor]:
    """A function from rows (M, ...) to (n, K, ...), float64: each row in its environment's, zeros behind."""
    order = torch.argsort(environments, stable=True)
    counts = torch.bincount(environments, minlength=n)
    slots = torch.empty_like(order)
    slots[order] = torch.arange(len(order)).to(order) - (counts.cumsum(0) - counts)[environments[order]]
    width = int(counts.max())

    def pack(rows: Tensor) -> Tensor:
        packed = torch.zeros(n, width, *rows.shape[1:], dtype=torch.float64, device=rows.device)
        packed[environments, slots] = rows.double()
        return packed

    return pack
