"""The one contract of uncertainty quantifiers: Gamma(x, a) >= 0, how far an estimate made from data may be off.

The same quantifier serves `offctx.linear` (`beta=`), the closed-form learners and deep critics of `offctx.algos`
(`uncertainty=`) and rewards (`offctx.Pessimism(quantifier=)`). A new one is one class with one registration::

    @register_quantifier("visits")
    class Visits(UncertaintyQuantifier):
        def __init__(self, beta: float = 1.0): ...  # settings: numbers and strings, kept under their own names
        def fit(self, features, counts=None): ...  # a copy of self that holds tensors (*batch, ...)
        def update(self, features, counts=None): ...
        def bonus(self, features, *, paired=False): ...

The decorator is for quantifiers outside offctx. One inside has a row of `_KINDS` in `registry.py` instead.
`offctx.uncertainty.testing.check_quantifier` tests that a class keeps this contract.

Dimensions: N rows of data, M rows of a query, d features, n groups, b blocks of a group (such as discrete actions); "batch"
stands for any leading dimensions, such as (n, b).
"""

import copy
import inspect
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal, TypeVar

import torch
from numpy.typing import NDArray
from torch import Tensor

from offctx.errors import LinearError
from offctx.uncertainty.gamma import real_tensor
from offctx.uncertainty.groups import GroupedFeatures

ArrayOrTensor = TypeVar("ArrayOrTensor", NDArray[Any], Tensor)
Self = TypeVar("Self", bound="UncertaintyQuantifier")
Needs = Literal["nothing", "features", "members"]
Pooling = Literal["minimum", "mean"]


class UncertaintyQuantifier(ABC):
    """How far an estimate made from data may be off, at any features: the Gamma of pessimistic algorithms.

    A quantifier is immutable: `fit` and `update` return new quantifiers, so that one prototype serves many data sets. Arrays
    are NumPy's or tensors. `bonus` returns the kind that its features have, on their device, differentiable in tensors.

    A quantifier can be saved because it consists of settings and tensors: each argument of the class is kept as an attribute
    of the same name, and all that `fit` finds is kept in attributes that are tensors whose leading dimensions are the batch.

    Attributes:
        needs: what `bonus` is a function of. "features": features phi(x, a) of a query. "members": the values (..., k) that
            the k members of a deep critic give, in the place of features; such a quantifier needs no data and serves deep
            critics only. "nothing": neither; `bonus` is not called.
        pooling: how a deep critic's members become one value before Gamma is subtracted.
    """

    needs: ClassVar[Needs] = "features"
    pooling: ClassVar[Pooling] = "minimum"

    @abstractmethod
    def fit(self, features: NDArray[Any] | Tensor, counts: NDArray[Any] | Tensor | None = None) -> "UncertaintyQuantifier":
        """Returns a quantifier fitted to these data only; earlier data are dropped.

        Args:
            features: (N, d), or (*batch, N, d) for one independent quantifier each.
            counts: how often each row was seen: (N,), or (*batch, N); once where not given. Rows seen 0 times do not count.
                With counts (*batch, N), features (N, d) serve the whole batch.
        """

    @abstractmethod
    def update(self, features: NDArray[Any] | Tensor, counts: NDArray[Any] | Tensor | None = None) -> "UncertaintyQuantifier":
        """The quantifier of the data so far and these, of the same batch.

        Args:
            features: (N, d), or (*batch, N, d).
            counts: how often each row was seen, (N,) or (*batch, N); once where not given.
        """

    @abstractmethod
    def bonus(self, features: ArrayOrTensor, *, paired: bool = False) -> ArrayOrTensor:
        """Gamma >= 0, finite, (*batch, *shape), whether `paired` or not.

        Args:
            features: (*shape, d), the same query for each quantifier of the batch; where `paired`, (*batch, *shape, d).
            paired: each quantifier of the batch has its own query.
        """

    # What follows has defaults in terms of the three methods above. Override it where a quantifier can do it faster.

    def fit_groups(self, data: GroupedFeatures) -> "UncertaintyQuantifier":
        """The quantifier of grouped data, with the batch dimensions of the groups; padded to the largest group by default."""
        return self.fit(*data.padded())

    def fit_gram(self, gram: NDArray[Any] | Tensor) -> "UncertaintyQuantifier":
        """The quantifier of data of which only the sums of phi phi^T (*batch, d, d) are known.

        Raises:
            LinearError: by default: most quantifiers need the data themselves.
        """
        raise LinearError(
            f"{type(self).__name__} cannot follow features that change, such as the critic's: it has no fit_gram(sum of "
            f'phi phi^T). Use features="fourier" or "observation"'
        )

    def fit_nothing(self, batch: tuple[int, ...], d: int) -> "UncertaintyQuantifier":
        """The quantifier before any data."""
        return self.fit(torch.zeros(*batch, 0, d))

    def bonus_by_block(self, features: Tensor, blocks: int) -> Tensor:
        """Gamma of all b blocks at the features (n, M, d) of each group, for a batch (n, b): (n, M, b)."""
        n, rows, d = features.shape
        gamma = real_tensor(self.bonus(features[:, None].expand(n, blocks, rows, d), paired=True), self)
        return gamma if gamma.ndim < 3 else gamma.movedim(1, -1)

    def bonus_of_rows(self, features: Tensor, groups: Tensor) -> Tensor:
        """Gamma of each row (M, d) by the quantifier of its own group (M,), for a batch (n,): (M,)."""
        gamma = features.new_empty(len(features))
        for group in torch.unique(groups).tolist():
            rows = groups == group
            values = real_tensor(self.select(group).bonus(features[rows]), self)
            if values.shape != gamma[rows].shape:
                return values  # of the wrong shape, which the check of Gamma tells
            gamma[rows] = values.to(gamma.dtype)
        return gamma

    def settings(self) -> dict[str, Any]:
        """The arguments that make this quantifier before it is fitted; numbers and strings."""
        names = [name for name, p in inspect.signature(type(self)).parameters.items() if p.kind is not p.VAR_KEYWORD]
        missing = [name for name in names if not hasattr(self, name)]
        if missing:
            raise LinearError(f"{type(self).__name__} must keep its arguments as attributes to be saved; it has no {missing}")
        return {name: getattr(self, name) for name in names}

    def __repr__(self) -> str:
        try:
            settings = ", ".join(f"{name}={value!r}" for name, value in self.settings().items())
        except LinearError:
            settings = "..."
        return f"{type(self).__name__}({settings})"

    def tensors(self) -> dict[str, Tensor]:
        """All that `fit` found, by name, each of shape (*batch, ...); none before `fit`."""
        return {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}

    def with_tensors(self: Self, tensors: dict[str, Tensor]) -> Self:
        """The fitted quantifier that holds these tensors, which `tensors` gave."""
        fitted = copy.copy(self)
        for name, tensor in tensors.items():
            object.__setattr__(fitted, name, tensor)  # a frozen dataclass too
        return fitted

    def select(self: Self, index: Any) -> Self:
        """Some quantifiers of the batch, as the index of an array selects them."""
        return self.with_tensors({name: tensor[index] for name, tensor in self.tensors().items()})

    def to(self: Self, dtype: torch.dtype) -> Self:
        """The quantifier with its real numbers in another precision."""
        tensors = self.tensors()
        return self.with_tensors({name: t.to(dtype) if t.is_floating_point() else t for name, t in tensors.items()})
