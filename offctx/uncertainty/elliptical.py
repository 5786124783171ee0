"""Uncertainty quantifiers Gamma, and the beta with which theory makes them large enough.

Sources: arXiv 2012.15085 (PEVI) and arXiv 2503.07988, Algorithm 4 (PERM, PPPO). For features phi of the data,

    Lambda = sum phi phi^T + ridge I
    Gamma(x, a) = beta sqrt( phi(x, a)^T Lambda^{-1} phi(x, a) )

Dimensions: N rows of data, M rows asked about, d features; "batch" stands for any leading ones, such as (n, H).
"""

from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from offctx.checks import at_least
from offctx.errors import LinearError
from offctx.uncertainty.quantifier import ArrayOrTensor, UncertaintyQuantifier

_CHUNK = 2**24  # numbers in the products phi phi^T that are held at a time
_BLOCK = 64  # matrices worked on at a time


@final
class EllipticalUncertainty(UncertaintyQuantifier):
    """Gamma = beta sqrt(phi^T Lambda^{-1} phi), by Cholesky, in float64.

    Args:
        beta: the scale, >= 0; `beta_pevi`, `beta_perm` and `beta_pppo` are theory's.
        ridge: lambda > 0.

    Raises:
        LinearError: beta < 0, ridge <= 0; features not finite, or whose sizes do not fit; `bonus` before `fit`.
    """

    def __init__(self, beta: float, ridge: float = 1.0) -> None:
        self.beta = at_least(beta, 0, "beta")
        self.ridge = at_least(ridge, 0, "ridge", strictly=True)
        self._factor: Tensor | None = None

    @property
    def cholesky(self) -> Tensor:
        """The lower triangular L of Lambda = L L^T, (*batch, d, d)."""
        if self._factor is None:
            raise LinearError("this EllipticalUncertainty has seen no data; use what its fit(features) returns")
        return self._factor

    @property
    def whitening(self) -> Tensor:
        """L^{-1} (*batch, d, d), with which Gamma = beta |L^{-1} phi|: a norm, so that float32 serves to multiply by it."""
        eye = torch.eye(self.cholesky.shape[-1], dtype=torch.float64, device=self.cholesky.device)
        inverse: Tensor = torch.linalg.solve_triangular(self.cholesky, eye, upper=False)
        return inverse

    def fit(self, features: NDArray[Any] | Tensor, counts: NDArray[Any] | Tensor | None = None) -> "EllipticalUncertainty":
        """See `UncertaintyQuantifier.fit`."""
        phi, c = _data(features, counts)
        if c is not None and phi.ndim == 2:
            return self._with(*(part.to(phi.device) for part in _shared_factors(phi.cpu(), c.cpu(), self.ridge)))
        return self._of_gram(_gram(phi, c))

    @classmethod
    def from_gram(cls, gram: NDArray[Any] | Tensor, beta: float, ridge: float = 1.0) -> "EllipticalUncertainty":
        """The quantifier of data whose sum phi phi^T is known: gram (*batch, d, d), symmetric and positive semidefinite."""
        matrices = _tensor(gram, "Gram matrices").detach()
        if matrices.ndim < 2 or matrices.shape[-1] == 0 or matrices.shape[-1] != matrices.shape[-2]:
            raise LinearError(f"expected Gram matrices of shape (..., d, d), d >= 1; found {tuple(matrices.shape)}")
        return cls(beta, ridge)._of_gram(matrices)

    def update(self, features: NDArray[Any] | Tensor, counts: NDArray[Any] | Tensor | None = None) -> "EllipticalUncertainty":
        """See `UncertaintyQuantifier.update`. Costs one factorisation, whatever was seen before."""
        if self._factor is None:
            return self.fit(features, counts)
        more = _gram(*_data(features, counts)).to(self._factor.device)
        if more.shape != self._factor.shape:
            expected, found = (f"batch {tuple(g.shape[:-2])} of {g.shape[-1]} features" for g in (self._factor, more))
            raise LinearError(f"expected more data for {expected}; found {found}")
        return self._with(*torch.linalg.cholesky_ex(self._factor @ self._factor.mT + more))

    def bonus(self, features: ArrayOrTensor, *, paired: bool = False) -> ArrayOrTensor:
        """See `UncertaintyQuantifier.bonus`."""
        factor = self.cholesky
        batch, d = factor.shape[:-2], factor.shape[-1]
        asked = _tensor(features, "features")
        phi = asked.to(factor.device)
        if phi.ndim == 0 or phi.shape[-1] != d or (paired and phi.shape[: len(batch)] != batch):
            lead = f"{tuple(batch)} + " if paired else ""
            raise LinearError(f"expected features of shape {lead}(..., {d}), as fitted; found {tuple(phi.shape)}")
        if paired:
            rows = phi.reshape(*batch, -1, d)
            square = torch.linalg.solve_triangular(factor, rows.mT, upper=False).square().sum(dim=-2).reshape(phi.shape[:-1])
        else:
            square = _shared_squares(factor.cpu(), phi.reshape(-1, d).cpu()).reshape(*batch, *phi.shape[:-1])
        gamma = self.beta * square.clamp_min(0).sqrt().to(asked.device)
        return gamma if isinstance(features, Tensor) else gamma.numpy()  # type: ignore[no-any-return]  # of the kind given

    def _of_gram(self, gram: Tensor) -> "EllipticalUncertainty":
        eye = torch.eye(gram.shape[-1], dtype=torch.float64, device=gram.device)
        return self._with(*torch.linalg.cholesky_ex(gram + self.ridge * eye))

    def _with(self, factor: Tensor, info: Tensor) -> "EllipticalUncertainty":
        fitted = EllipticalUncertainty(self.beta, self.ridge)
        fitted._factor = factor
        if bool(info.any()):
            raise LinearError(f"Lambda is singular in float64 with ridge {self.ridge:g}: give a larger ridge")
        return fitted

    def __repr__(self) -> str:
        seen = "no data" if self._factor is None else f"batch {tuple(self._factor.shape[:-2])}, d {self._factor.shape[-1]}"
        return f"EllipticalUncertainty(beta={self.beta:g}, ridge={self.ridge:g}; {seen})"


def _tensor(values: NDArray[Any] | Tensor, what: str) -> Tensor:
    try:
        own = values if isinstance(values, Tensor) else np.require(values, requirements="W")  # torch warns of read-only arrays
        tensor = torch.as_tensor(own).to(torch.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        raise LinearError(f"expected {what} as one array of numbers: {error}") from error
    if not bool(torch.isfinite(tensor).all()):
        raise LinearError(f"expected finite {what}; found nan or inf")
    return tensor


def _data(features: NDArray[Any] | Tensor, counts: NDArray[Any] | Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Features (..., N, d) and counts (..., N), checked."""
    phi = _tensor(features, "features").detach()
    if phi.ndim < 2 or phi.shape[-1] == 0:
        raise LinearError(f"expected features of shape (N, d) or (..., N, d), d >= 1; found {tuple(phi.shape)}")
    if counts is None:
        return phi, None
    c = _tensor(counts, "counts").to(phi.device)
    if c.ndim == 0 or c.shape[-1] != phi.shape[-2] or (phi.ndim > 2 and c.shape != phi.shape[:-1]) or bool((c < 0).any()):
        raise LinearError(
            f"expected counts >= 0 of shape (..., N) for features {tuple(phi.shape)}; "
            f"found shape {tuple(c.shape)}, least {float(c.min()) if c.numel() else 0:g}"
        )
    return phi, c


def _gram(phi: Tensor, counts: Tensor | None) -> Tensor:
    """sum counts phi phi^T (*batch, d, d)."""
    return (phi if counts is None else phi * counts[..., None]).mT @ phi


# Where the batch shares its features, the products phi phi^T are made once, and the matrices (or quadratic forms) of all the
# batch are matrix products with them; lower triangles do, as all is symmetric. Some matrices at a time, so that they stay in
# the processor's cache on their way from the product to the factor, or from the factor to the bonus.
def _products(rows: Tensor) -> Tensor:
    """The lower triangles of phi phi^T for rows (M, d): (M, d (d + 1) / 2)."""
    i, j = torch.tril_indices(rows.shape[1], rows.shape[1])
    return rows[:, i] * rows[:, j]


def _shared_factors(rows: Tensor, counts: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
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


def _shared_squares(factor: Tensor, rows: Tensor) -> Tensor:
    """phi^T (L L^T)^{-1} phi at rows (M, d) for all of the batch: (*batch, M)."""
    d = factor.shape[-1]
    i, j = torch.tril_indices(d, d)
    at, twice = (i * d + j).numpy(), torch.where(i == j, 1.0, 2.0).to(torch.float64)
    flat = factor.mT.reshape(-1, d, d).mT
    squares = torch.empty(len(flat), len(rows), dtype=torch.float64)
    for first in range(0, len(rows), max(1, _CHUNK // len(i))):
        columns = slice(first, first + max(1, _CHUNK // len(i)))
        products = (_products(rows[columns]) * twice).T
        for start in range(0, len(flat), _BLOCK):
            block = slice(start, start + _BLOCK)
            inverse = torch.cholesky_inverse(flat[block]).mT.reshape(-1, d * d)  # symmetric; transposed it needs no copy
            lower = torch.from_numpy(np.take(inverse.numpy(), at, axis=1))  # several times faster than indexing
            squares[block, columns] = lower @ products
    return squares.reshape(*factor.shape[:-2], len(rows))
