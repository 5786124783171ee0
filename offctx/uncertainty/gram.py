"""Gram matrices of features, many at once: the sums of phi phi^T over the data of each block."""

import torch
from torch import Tensor, nn

from offctx.checks import count
from offctx.errors import LinearError
from offctx.uncertainty.arrays import chunks

_LEAST_BLOCK, _LARGEST_BLOCK = 16, 512  # rows in a block of one group


def gram_matrices(features: nn.Module, observations: Tensor, actions: Tensor | None, groups: Tensor, n: int) -> Tensor:
    """sum phi phi^T over each group's rows (n, d, d), float64.

    With discrete actions give groups `group * A + action` and actions None: the blocks of each group then follow one another.
    The rows, sorted by group, are cut into blocks of one group each, so that one batched product serves many groups and
    groups of unequal size waste at most one block each.

    Args:
        features: a ready feature map; see `admit_features`.
        observations: (N, o).
        actions: (N, a) or None.
        groups: integers in [0, n), (N,).
        n: how many groups.
    """
    device, d = observations.device, count(getattr(features, "size", 0), 1, "the size of the features")
    grams = torch.zeros(n, d, d, dtype=torch.float64, device=device)
    N = len(observations)
    check_groups(groups, N, n)
    block = min(max(N // n, _LEAST_BLOCK), _LARGEST_BLOCK)
    sizes = torch.bincount(groups, minlength=n)
    blocks = (sizes + block - 1) // block
    owners = torch.repeat_interleave(torch.arange(n, device=device), blocks)
    order = torch.argsort(groups, stable=True)
    within = torch.arange(N, device=device) - (sizes.cumsum(0) - sizes)[groups[order]]
    slots = (blocks.cumsum(0) - blocks)[groups[order]] * block + within
    table = torch.full((len(owners) * block,), -1, device=device)
    table[slots] = order
    table = table.reshape(-1, block)
    with torch.no_grad():
        for part in chunks(len(owners), d * (d + block)):
            rows = table[part]
            phi = features(observations[rows], None if actions is None else actions[rows]).to(torch.float64)
            phi = phi * (rows >= 0)[..., None]
            grams.index_add_(0, owners[part], phi.mT @ phi)
    return grams


def check_groups(groups: Tensor, rows: int, n: int) -> None:
    """That groups are one integer in [0, n) for each row."""
    if groups.shape != (rows,) or (rows and not 0 <= int(groups.min()) <= int(groups.max()) < n):
        raise LinearError(f"expected groups of shape ({rows},) in 0..{n - 1}; found {tuple(groups.shape)}")
