"""The elliptical quantifier: how far features are from those of the data.

Sources: arXiv 2012.15085 (PEVI) and arXiv 2503.07988, Algorithm 4 (PERM, PPPO). For features phi of the data,

    Lambda = sum phi phi^T + ridge I = L L^T
    Gamma(x, a) = beta sqrt( phi(x, a)^T Lambda^{-1} phi(x, a) ) = beta | L^{-1} phi(x, a) |

Dimensions: N rows of data, M rows of a query, d features, n groups, b blocks; "batch" stands for any leading ones, such as
(n, H).
"""

from typing import Any, final

import torch
from numpy.typing import NDArray
from torch import Tensor

from offctx.checks import at_least
from offctx.errors import LinearError
from offctx.uncertainty.arrays import checked_data, finite_tensor, weighted_gram
from offctx.uncertainty.factors import shared_factors, shared_squares
from offctx.uncertainty.groups import GroupedFeatures
from offctx.uncertainty.quantifier import ArrayOrTensor, UncertaintyQuantifier


@final
class EllipticalUncertainty(UncertaintyQuantifier):
    """Gamma = beta sqrt(phi^T Lambda^{-1} phi), by Cholesky, in float64.

    Its tensors are the whitening L^{-1}. A quantifier restored from it answers queries in the precision of the whitening:
    Gamma is then a norm, in which nothing cancels, so that float32 is enough. It cannot be updated.

    Args:
        beta: the scale, >= 0; `beta_pevi`, `beta_perm` and `beta_pppo` are theory's.
        ridge: lambda > 0.

    Raises:
        LinearError: beta < 0, ridge <= 0; features that are not finite, or whose sizes do not fit; `bonus` before `fit`.

    Example::

        fitted = EllipticalUncertainty(beta=0.5).fit(features_of_data)  # (N, d)
        gamma = fitted.bonus(features)  # (M, d) -> (M,)
    """

    def __init__(self, beta: float = 1.0, ridge: float = 1.0) -> None:
        self.beta = at_least(beta, 0, "beta")
        self.ridge = at_least(ridge, 0, "ridge", strictly=True)
        self._factor: Tensor | None = None
        self._whitening: Tensor | None = None

    @property
    def cholesky(self) -> Tensor:
        """The lower triangular L of Lambda = L L^T, (*batch, d, d)."""
        if self._factor is None:
            if self._whitening is not None:
                raise LinearError("this EllipticalUncertainty was restored from L^{-1} alone: fit it anew")
            raise LinearError("this EllipticalUncertainty has seen no data; use what its fit(features) returns")
        return self._factor

    @property
    def whitening(self) -> Tensor:
        """L^{-1} (*batch, d, d), with which Gamma = beta |L^{-1} phi|."""
        if self._whitening is not None:
            return self._whitening
        eye = torch.eye(self.cholesky.shape[-1], dtype=torch.float64, device=self.cholesky.device)
        inverse: Tensor = torch.linalg.solve_triangular(self.cholesky, eye, upper=False)
        return inverse

    def fit(self, features: NDArray[Any] | Tensor, counts: NDArray[Any] | Tensor | None = None) -> "EllipticalUncertainty":
        """The quantifier of these data.

        Args:
            features: (N, d), or (*batch, N, d).
            counts: how often each row was seen, (N,) or (*batch, N); once where not given.
        """
        phi, c = checked_data(features, counts)
        if c is not None and phi.ndim == 2:
            return self._with_factor(*(part.to(phi.device) for part in shared_factors(phi.cpu(), c.cpu(), self.ridge)))
        return self._of_gram(weighted_gram(phi, c))

    @classmethod
    def from_gram(cls, gram: NDArray[Any] | Tensor, beta: float, ridge: float = 1.0) -> "EllipticalUncertainty":
        """The quantifier of data whose sum phi phi^T is given: gram (*batch, d, d), symmetric and positive semidefinite."""
        return cls(beta, ridge).fit_gram(gram)

    def fit_gram(self, gram: NDArray[Any] | Tensor) -> "EllipticalUncertainty":
        """The quantifier of data whose sum phi phi^T is given: gram (*batch, d, d), symmetric and positive semidefinite."""
        matrices = finite_tensor(gram, "Gram matrices").detach()
        if matrices.ndim < 2 or matrices.shape[-1] == 0 or matrices.shape[-1] != matrices.shape[-2]:
            raise LinearError(f"expected Gram matrices of shape (..., d, d), d >= 1; found {tuple(matrices.shape)}")
        return self._of_gram(matrices)

    def fit_groups(self, data: GroupedFeatures) -> "EllipticalUncertainty":
        """The quantifier of grouped data, by their Gram matrices."""
        return self.fit_gram(data.gram())

    def fit_nothing(self, batch: tuple[int, ...], d: int) -> "EllipticalUncertainty":
        """Lambda = ridge I, as its whitening in torch's default precision."""
        return self.with_tensors({"whitening": (torch.eye(d) / self.ridge**0.5).expand(*batch, d, d).clone()})

    def update(self, features: NDArray[Any] | Tensor, counts: NDArray[Any] | Tensor | None = None) -> "EllipticalUncertainty":
        """The quantifier of the data so far and these. Costs one factorisation, however many data it has seen."""
        if self._factor is None and self._whitening is None:
            return self.fit(features, counts)
        more = weighted_gram(*checked_data(features, counts)).to(self.cholesky.device)
        if more.shape != self.cholesky.shape:
            expected, found = (f"batch {tuple(g.shape[:-2])} of {g.shape[-1]} features" for g in (self.cholesky, more))
            raise LinearError(f"expected more data for {expected}; found {found}")
        return self._with_factor(*torch.linalg.cholesky_ex(self.cholesky @ self.cholesky.mT + more))

    def bonus(self, features: ArrayOrTensor, *, paired: bool = False) -> ArrayOrTensor:
        """beta sqrt(phi^T Lambda^{-1} phi), (*batch, *shape).

        Args:
            features: (*shape, d); where `paired`, (*batch, *shape, d).
            paired: each quantifier of the batch has its own query.
        """
        matrix = self.cholesky if self._whitening is None else self._whitening
        batch, d = matrix.shape[:-2], matrix.shape[-1]
        query = finite_tensor(features, "features")
        phi = query.to(matrix.device)
        if phi.ndim == 0 or phi.shape[-1] != d or (paired and phi.shape[: len(batch)] != batch):
            lead = f"{tuple(batch)} + " if paired else ""
            raise LinearError(f"expected features of shape {lead}(..., {d}), as fitted; found {tuple(phi.shape)}")
        if self._whitening is not None:
            gamma = self.beta * self._lengths(phi.to(matrix.dtype), paired).to(query.device)
        else:
            square = self._paired_squares(phi) if paired else self._shared_squares(phi)
            gamma = self.beta * square.clamp_min(0).sqrt().to(query.device)
        return gamma if isinstance(features, Tensor) else gamma.numpy()  # of the kind given

    def bonus_by_block(self, features: Tensor, blocks: int) -> Tensor:
        """Gamma of all b blocks at the features (n, M, d) of each group, for a batch (n, b): (n, M, b)."""
        whitening = self.whitening
        if whitening.dtype == torch.float64:
            white = features[:, None] @ whitening.transpose(-1, -2)  # the exporter to ONNX does not know .mT
            return self.beta * white.square().sum(dim=-1).sqrt().transpose(-1, -2)
        white = (features @ whitening.flatten(1, 2).mT).reshape(*features.shape[:2], *whitening.shape[1:3])
        lengths: Tensor = torch.linalg.vector_norm(white, dim=-1)  # its gradient at 0 is 0, that of sqrt is not a number
        return self.beta * lengths

    def bonus_of_rows(self, features: Tensor, groups: Tensor) -> Tensor:
        """Gamma of each row (M, d) by the quantifier of its own group (M,), for a batch (n,): (M,).

        One product for each group that has rows, of its rows side by side: padding the groups to one size for a single batched
        product is slower, twice with 16 contexts of unequal size and ten times with 80.
        """
        whitening = self.whitening
        order = torch.argsort(groups, stable=True)
        rows = features.to(whitening.dtype)[order]
        sizes = torch.bincount(groups).tolist()
        white = torch.empty_like(rows)
        end = 0
        for group, size in enumerate(sizes):
            start, end = end, end + size
            if size:
                torch.mm(rows[start:end], whitening[group].T, out=white[start:end])
        lengths = torch.empty_like(rows[:, 0])
        lengths[order] = torch.linalg.vector_norm(white, dim=-1)
        return self.beta * lengths

    def tensors(self) -> dict[str, Tensor]:
        """The whitening L^{-1} (*batch, d, d) where fitted."""
        return {} if self._factor is None and self._whitening is None else {"whitening": self.whitening}

    def with_tensors(self, tensors: dict[str, Tensor]) -> "EllipticalUncertainty":
        """The quantifier restored from its whitening."""
        fitted = EllipticalUncertainty(self.beta, self.ridge)
        fitted._whitening = tensors.get("whitening")
        return fitted

    def _lengths(self, phi: Tensor, paired: bool) -> Tensor:
        """|L^{-1} phi| (*batch, *shape), in the whitening's precision."""
        assert self._whitening is not None
        d = phi.shape[-1]
        batch = self._whitening.shape[:-2]
        rows = phi.reshape(*batch, -1, d) if paired else phi.reshape(-1, d)
        lengths: Tensor = torch.linalg.vector_norm(rows @ self._whitening.mT, dim=-1)
        return lengths.reshape(tuple(phi.shape[:-1]) if paired else (*batch, *phi.shape[:-1]))

    def _paired_squares(self, phi: Tensor) -> Tensor:
        rows = phi.reshape(*self.cholesky.shape[:-2], -1, phi.shape[-1])
        white: Tensor = torch.linalg.solve_triangular(self.cholesky, rows.mT, upper=False)
        return white.square().sum(dim=-2).reshape(phi.shape[:-1])

    def _shared_squares(self, phi: Tensor) -> Tensor:
        squares = shared_squares(self.cholesky.cpu(), phi.reshape(-1, phi.shape[-1]).cpu())
        return squares.reshape((*self.cholesky.shape[:-2], *phi.shape[:-1]))

    def _of_gram(self, gram: Tensor) -> "EllipticalUncertainty":
        eye = torch.eye(gram.shape[-1], dtype=torch.float64, device=gram.device)
        return self._with_factor(*torch.linalg.cholesky_ex(gram + self.ridge * eye))

    def _with_factor(self, factor: Tensor, info: Tensor) -> "EllipticalUncertainty":
        if bool(info.any()):
            raise LinearError(f"Lambda is singular in float64 with ridge {self.ridge:g}: give a larger ridge")
        fitted = EllipticalUncertainty(self.beta, self.ridge)
        fitted._factor = factor
        return fitted

    def __repr__(self) -> str:
        matrix = self._factor if self._whitening is None else self._whitening
        data = "no data" if matrix is None else f"batch {tuple(matrix.shape[:-2])}, d {matrix.shape[-1]}"
        return f"EllipticalUncertainty(beta={self.beta:g}, ridge={self.ridge:g}; {data})"
