"""CLUB, an upper bound of the information of z about x: what CSRO takes away from z.

Dimensions: N pairs of x and z, d latent.
"""

import math

from torch import Tensor
from torch.nn import functional

CSRO_WEIGHT = 25.0  # in CSRO, where the dynamics differ
_METRIC_WEIGHT = 10.0  # of the metric loss, in CSRO's public code


def log_likelihood(z: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """log N( z; mean, std^2 ) of independent coordinates (..., d): (...)."""
    normalised = (z - mean) / log_std.exp()
    return (-normalised.square() / 2 - log_std - math.log(2 * math.pi) / 2).sum(dim=-1)


def bounded_log_std(raw: Tensor) -> Tensor:
    """log std of q(z | x), where the variance is softplus( tanh( raw ) ), in [0.31, 1.31].

    z is in [-1, 1]. Without the lower bound, the more the z of a context agree, the smaller the variance becomes, and the
    gradient of the bound, which has it in the denominator, grows without limit. The limits are those of CSRO's public code.

    Args:
        raw: what a network says (..., d).
    """
    return functional.softplus(raw.tanh()).log() / 2


def club_bound(z: Tensor, mean: Tensor, log_std: Tensor, ids: Tensor) -> Tensor:
    """mean_i [ log q(z_i | x_i) - mean_j log q(z_j | x_i) ], over pairs j of the same context as i, i itself included.

    vCLUB (arXiv 2006.12013) within contexts, as in the public code of CSRO (arXiv 2311.03695), where x is (s, a). What x tells
    of z within a context is penalised; what z tells of the context is not. With j out of all contexts, the bound would also
    contain the information about the context that x and z share, and where behaviour depends on the context, its minimum
    would be a z without any.

    Gradients should reach z only: give the mean and the log_std of q detached. q itself is trained by `log_likelihood`.

    Args:
        z: (N, d).
        mean: of q(z | x_i) (N, d).
        log_std: of q(z | x_i) (N, d).
        ids: of contexts (N,).

    Returns:
        A scalar [nat], the sum over coordinates; 0 where all z of a context are equal.
    """
    of_context = (ids[:, None] == ids[None]).to(z.dtype)
    of_context = of_context / of_context.sum(dim=1, keepdim=True)
    mean_z, mean_square = of_context @ z, of_context @ z.square()
    # mean_j (z_j - mean_i)^2 = mean_j z_j^2 - 2 mean_i mean_j z_j + mean_i^2, so that no array of N x N x d is made
    differences = mean_square - z.square() - 2 * mean * (mean_z - z)
    return (differences / (2 * (2 * log_std).exp())).sum(dim=-1).mean()


def csro_loss(metric: Tensor, bound: Tensor, size: int, weight: float = CSRO_WEIGHT) -> Tensor:
    """CSRO's loss of the encoder (arXiv 2311.03695): metric + (weight / 10) (2 / d) bound.

    The paper's weights, 10 to 50 and 25 where the dynamics differ, are for other units than ours. In its public code the metric
    loss has the weight 10, and the bound is the mean over coordinates of squares that are not halved: 2 / d of ours. With
    weight * bound instead, the bound outweighs the metric loss, and z tells nothing of the context.

    Args:
        metric: FOCAL's loss, a scalar.
        bound: of `club_bound`, a scalar.
        size: d.
        weight: the paper's.
    """
    return metric + weight / _METRIC_WEIGHT * 2 / size * bound
