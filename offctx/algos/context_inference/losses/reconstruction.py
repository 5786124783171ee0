"""Losses that predict the outcome of a transition from z: GENTLE, and UNICORN-SS with FOCAL's metric loss.

Dimensions: B rows, o observation.
"""

import torch
from torch import Tensor


def reconstruction_loss(predictions: Tensor, changes: Tensor, rewards: Tensor) -> Tensor:
    """mean | prediction - (s' - s, r) |^2 over rows (GENTLE, arXiv 2312.15544, task auto-encoder; a decoder reads s, a and z).

    Args:
        predictions: (..., o + 1).
        changes: s' - s (..., o).
        rewards: (..., 1).

    Returns:
        A scalar: the sum over dimensions, the mean over rows.
    """
    return (predictions - torch.cat([changes, rewards], dim=-1)).square().sum(dim=-1).mean()


def unicorn_loss(reconstruction: Tensor, metric: Tensor, alpha: float = 0.13) -> Tensor:
    """UNICORN-SS: reconstruction + alpha / (1 - alpha) metric loss (arXiv 2402.02429, L_UNICORN-SS).

    Args:
        reconstruction: a scalar, up to a constant - log p(s', r | s, a, z).
        metric: FOCAL's loss, a scalar.
        alpha: in [0, 1).
    """
    return reconstruction + alpha / (1 - alpha) * metric
