"""Two normalisations without weights: AvgL1Norm and SimNorm."""

from torch import Tensor, nn

from offctx.errors import AlgorithmError

_LEAST = 1e-8
GROUP = 4  # numbers in a group of SimNorm (arXiv 2602.06550)


def avg_l1_norm(x: Tensor) -> Tensor:
    """x / mean |x|, the mean over the last dimension (TD7, arXiv 2306.02451, AvgL1Norm)."""
    return x / x.abs().mean(dim=-1, keepdim=True).clamp_min(_LEAST)


class AvgL1Norm(nn.Module):
    """`avg_l1_norm` as a layer."""

    def forward(self, x: Tensor) -> Tensor:
        return avg_l1_norm(x)


class SimNorm(nn.Module):
    """A softmax within each group of numbers: a point on a product of simplices (TD-MPC2, arXiv 2310.16828, SimNorm).

    Args:
        group: the size of a group; it divides the last dimension.

    Raises:
        AlgorithmError: when called, where it does not.
    """

    def __init__(self, group: int = GROUP) -> None:
        super().__init__()
        self.group = group

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1] % self.group:
            raise AlgorithmError(f"expected a latent size that {self.group} divides, the group of SimNorm; found {x.shape[-1]}")
        groups = x.reshape(*x.shape[:-1], x.shape[-1] // self.group, self.group)
        return groups.softmax(dim=-1).reshape(x.shape)
