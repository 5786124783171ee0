"""A torch function applied to many rows, so that the result of a row does not depend on how many others there are.

Torch computes whole vector registers and the rest of an array by different code, which may differ in the last bit. Rows are
therefore computed in multiples of _LANES, and in blocks too small for torch to split over threads.

Dimensions: N rows.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_LANES = 64
_GRAIN = 32768  # numbers from which on torch uses several threads


def by_rows(
    function: Callable[..., tuple[Tensor, ...]], tensors: Sequence[Tensor], *, copies: int = 1
) -> tuple[NDArray[Any], ...]:
    """`function` over the rows of the tensors, in padded blocks.

    Args:
        function: from tensors of M rows to results of M rows each.
        tensors: its arguments, N rows each.
        copies: how many times the function repeats a row inside.

    Returns:
        Its results, N rows each.
    """
    n = len(tensors[0])
    widest = max(tensor[0].numel() for tensor in tensors) * copies
    most = max(_GRAIN // widest // _LANES, 1) * _LANES
    blocks = []
    for begin in range(0, n, most):
        size = min(most, n - begin)
        padding = -size % _LANES
        block = [tensor[begin : begin + size] for tensor in tensors]
        padded = [torch.cat([rows, rows[-1:].expand(padding, *rows.shape[1:])]) for rows in block]
        blocks.append([np.asarray(result.detach())[:size] for result in function(*padded)])
    return tuple(np.concatenate(results) for results in zip(*blocks, strict=True))
