"""tanh of a Gaussian: the policy of soft actor-critic (arXiv 1812.05905, Appendix C).

Dimensions: B rows, a action.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

PAPER_LOG_STD = (-5.0, 2.0)  # arXiv 2602.06550, by tanh
D3RLPY_LOG_STD = (-20.0, 2.0)  # of d3rlpy's SAC, clamped


def bounded_log_std(raw: Tensor, bounds: tuple[float, float], *, smooth: bool) -> Tensor:
    """The logarithm of the standard deviation within bounds: by tanh where smooth, else clamped."""
    low, high = bounds
    return low + (high - low) / 2 * (raw.tanh() + 1) if smooth else raw.clamp(low, high)


def draw(mean: Tensor, log_std: Tensor, noise: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Actions (B, a) and their log-probabilities (B,), by standard normal noise (B, a), drawn here where not given."""
    noise = torch.normal(torch.zeros_like(mean), torch.ones_like(mean)) if noise is None else noise
    raw = mean + noise * log_std.exp()
    gaussian = -noise.square() / 2 - log_std - math.log(2 * math.pi) / 2
    jacobian = 2 * (math.log(2) - raw - functional.softplus(-2 * raw))  # log(1 - tanh(raw)^2)
    return raw.tanh(), (gaussian - jacobian).sum(dim=-1)
