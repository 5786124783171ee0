"""CLUB, an upper bound of the information of z about x: what CSRO takes away from z.

Dimensions: W windows, d latent.
"""

import math

from torch import Tensor


def log_likelihood(z: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """log N( z; mean, std^2 ) of independent coordinates (..., d): (...)."""
    normalised = (z - mean) / log_std.exp()
    return (-normalised.square() / 2 - log_std - math.log(2 * math.pi) / 2).sum(dim=-1)


def club_bound(z: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """mean_i log q(z_i | x_i) - mean_ij log q(z_j | x_i) (vCLUB, arXiv 2006.12013; in CSRO, arXiv 2311.03695, x is (s, a)).

    Gradients should reach z only: give the mean and the log_std of q detached. q itself is trained by `log_likelihood`.

    Args:
        z: (W, d).
        mean: of q(z | x_i) (W, d).
        log_std: of q(z | x_i) (W, d).

    Returns:
        A scalar.
    """
    pairs = log_likelihood(z[None], mean[:, None], log_std[:, None])  # [i, j]: z_j under q(z | x_i)
    return (pairs.diagonal() - pairs.mean(dim=1)).mean()


def csro_loss(metric: Tensor, bound: Tensor, weight: float = 25.0) -> Tensor:
    """CSRO's loss of the encoder: metric loss + weight CLUB bound (arXiv 2311.03695)."""
    return metric + weight * bound
