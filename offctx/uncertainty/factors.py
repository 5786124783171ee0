"""Cholesky factors and quadratic forms of many positive definite matrices that share their rows of features.

    Lambda_k = sum_m c_km phi_m phi_m^T + ridge I,        phi_m^T Lambda_k^{-1} phi_m

The products phi phi^T are made once, and the matrices (or quadratic forms) of the whole batch are matrix products with them;
lower triangles suffice, as all is symmetric. Matrices are processed in blocks that fit the processor cache.

Dimensions: M rows, d features; "batch" stands for any leading ones.
"""

import numpy as np
import torch
from torch import Tensor

from offctx.uncertainty.arrays import chunks

_BLOCK = 64  # matrices worked on at a time


def _products(rows: Tensor) -> Tensor:
    """The lower triangles of phi phi^T for rows (M, d): (M, d (d + 1) / 2)."""
    i, j = torch.tril_indices(rows.shape[1], rows.shape[1])
    return rows[:, i] * rows[:, j]


def shared_factors(rows: Tensor, counts: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
    """The Cholesky factors of sum counts phi phi^T + ridge I and LAPACK's info, for rows (N, d) and counts (*batch, N)."""
    d = rows.shape[1]
    i, j = torch.tril_indices(d, d)
    products, flat_counts = _products(rows), counts.reshape(-1, len(rows))
    factors = torch.empty(len(flat_counts), d, d, dtype=torch.float64).mT  # columns first, as LAPACK has them
    info = torch.zeros(len(flat_counts), dtype=torch.int32)
    at = i * d + j
    scratch = torch.zeros(_BLOCK, d * d, dtype=torch.float64)
    for start in range(0, len(flat_counts), _BLOCK):
        block = slice(start, start + _BLOCK)
        part = flat_counts[block]
        scratch[: len(part)].index_copy_(1, at, part @ products)
        matrices = scratch[: len(part)].reshape(-1, d, d)
        matrices.diagonal(dim1=1, dim2=2).add_(ridge)
        factors[block], info[block] = torch.linalg.cholesky_ex(matrices)
    return factors.mT.reshape(*counts.shape[:-1], d, d).mT, info


def shared_squares(factor: Tensor, rows: Tensor) -> Tensor:
    """phi^T (L L^T)^{-1} phi at rows (M, d) for all of the batch: (*batch, M)."""
    d = factor.shape[-1]
    i, j = torch.tril_indices(d, d)
    at, twice = (i * d + j).numpy(), torch.where(i == j, 1.0, 2.0).to(torch.float64)
    flat = factor.mT.reshape(-1, d, d).mT
    squares = torch.empty(len(flat), len(rows), dtype=torch.float64)
    for columns in chunks(len(rows), len(i)):
        products = (_products(rows[columns]) * twice).T
        for start in range(0, len(flat), _BLOCK):
            block = slice(start, start + _BLOCK)
            inverse = torch.cholesky_inverse(flat[block]).mT.reshape(-1, d * d)  # symmetric; transposed it needs no copy
            lower = torch.from_numpy(np.take(inverse.numpy(), at, axis=1))  # several times faster than indexing
            squares[block, columns] = lower @ products
    return squares.reshape(*factor.shape[:-2], len(rows))
