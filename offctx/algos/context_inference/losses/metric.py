"""FOCAL's distance metric loss.

Dimensions: W windows, d latent.
"""

import torch
from torch import Tensor

_TINY = 1e-12


def metric_loss(z: Tensor, ids: Tensor, *, weight: float = 1.0, power: float = 2.0, epsilon: float = 0.1) -> Tensor:
    """FOCAL (arXiv 2010.01112, distance metric loss), the mean over ordered pairs i != j of

        |z_i - z_j|^2                           where the contexts are the same,
        weight / ( |z_i - z_j|^power + epsilon )  where they differ.

    Args:
        z: (W, d), bounded.
        ids: of contexts (W,).
        weight: beta.
        power: n.
        epsilon: keeps the second term finite.

    Returns:
        A scalar; 0 for a single window.
    """
    squares = (z[:, None] - z[None]).square().sum(dim=-1)
    same = ids[:, None] == ids[None]
    apart = weight / ((squares + _TINY) ** (power / 2) + epsilon)
    others = ~torch.eye(len(z), dtype=torch.bool, device=z.device)
    return (torch.where(same, squares, apart) * others).sum() / others.sum().clamp_min(1)
