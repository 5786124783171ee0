"""Features and counts as float64 tensors, checked, and how many of them are worked on at a time.

Dimensions: N rows of data, d features; "..." and "batch" stand for any leading ones.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from offctx.errors import LinearError

CHUNK = 2**24  # the most numbers in memory at a time


def chunks(rows: int, width: int) -> Iterator[slice]:
    """Slices that cover `rows` rows of `width` numbers, each of at most CHUNK numbers, or of one row."""
    step = max(1, CHUNK // width)
    return (slice(start, start + step) for start in range(0, rows, step))


def finite_tensor(values: NDArray[Any] | Tensor, what: str) -> Tensor:
    """Finite numbers as float64, on the device that a tensor has."""
    try:
        own = values if isinstance(values, Tensor) else np.require(values, requirements="W")  # torch warns of read-only arrays
        tensor = torch.as_tensor(own).to(torch.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        raise LinearError(f"expected {what} as one array of numbers: {error}") from error
    if not bool(torch.isfinite(tensor).all()):
        raise LinearError(f"expected finite {what}; found nan or inf")
    return tensor


def checked_data(features: NDArray[Any] | Tensor, counts: NDArray[Any] | Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Features (..., N, d) and counts (..., N), checked."""
    phi = finite_tensor(features, "features").detach()
    if phi.ndim < 2 or phi.shape[-1] == 0:
        raise LinearError(f"expected features of shape (N, d) or (..., N, d), d >= 1; found {tuple(phi.shape)}")
    if counts is None:
        return phi, None
    c = finite_tensor(counts, "counts").to(phi.device)
    if c.ndim == 0 or c.shape[-1] != phi.shape[-2] or (phi.ndim > 2 and c.shape != phi.shape[:-1]) or bool((c < 0).any()):
        raise LinearError(
            f"expected counts >= 0 of shape (..., N) for features {tuple(phi.shape)}; "
            f"found shape {tuple(c.shape)}, least {float(c.min()) if c.numel() else 0:g}"
        )
    return phi, c


def weighted_gram(phi: Tensor, counts: Tensor | None) -> Tensor:
    """sum counts phi phi^T (*batch, d, d)."""
    return (phi if counts is None else phi * counts[..., None]).mT @ phi
