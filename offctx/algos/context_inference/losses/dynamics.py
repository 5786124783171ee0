"""The dynamics loss of DMA and its Gaussian form.

Dimensions: B rows, o observation, W windows, d latent.
"""

from torch import Tensor


def dynamics_loss(predictions: Tensor, observations: Tensor, next_observations: Tensor) -> Tensor:
    """mean ( prediction - (s' - s) )^2 over rows and dimensions (arXiv 2602.06550, forward model), all (..., o)."""
    return (predictions - (next_observations - observations)).square().mean()


def kl_to_standard_normal(mean: Tensor, log_std: Tensor) -> Tensor:
    """KL( N(mean, std^2) || N(0, 1) ), independent coordinates (W, d): (W,) (arXiv 1312.6114, Appendix B)."""
    return ((2 * log_std).exp() + mean.square() - 1 - 2 * log_std).sum(dim=-1) / 2


def pearl_dynamics_loss(dynamics: Tensor, mean: Tensor, log_std: Tensor, weight: float = 0.4) -> Tensor:
    """MSE (1 + weight mean KL), the loss of DMA-Pearl (arXiv 2602.06550).

    Args:
        dynamics: the dynamics loss, a scalar.
        mean: of z (W, d).
        log_std: of z (W, d).
        weight: of the KL divergence.
    """
    return dynamics * (1 + weight * kl_to_standard_normal(mean, log_std).mean())
