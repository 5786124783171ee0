"""The one contract of uncertainty quantifiers: Gamma(x, a), how far an estimate made from data may be off."""

from abc import ABC, abstractmethod
from typing import Any, TypeVar

from numpy.typing import NDArray
from torch import Tensor

ArrayOrTensor = TypeVar("ArrayOrTensor", NDArray[Any], Tensor)


class UncertaintyQuantifier(ABC):
    """How far an estimate made from data may be off, at any features: the Gamma of pessimistic algorithms.

    Immutable: `fit` and `update` return new quantifiers, so that one prototype serves many data sets. Arrays may be NumPy's
    or tensors; a bonus is of the kind, and on the device, that the features were, and differentiable in them where they are
    tensors.
    """

    @abstractmethod
    def fit(self, features: NDArray[Any] | Tensor, counts: NDArray[Any] | Tensor | None = None) -> "UncertaintyQuantifier":
        """The quantifier of these data and no others.

        Args:
            features: (N, d), or (*batch, N, d) for as many independent quantifiers.
            counts: how often each row was seen: (N,), or (*batch, N); once where not given. With counts (*batch, N), features
                (N, d) serve all of the batch.
        """

    @abstractmethod
    def update(self, features: NDArray[Any] | Tensor, counts: NDArray[Any] | Tensor | None = None) -> "UncertaintyQuantifier":
        """The quantifier of these data and those before, of the same batch."""

    @abstractmethod
    def bonus(self, features: ArrayOrTensor, *, paired: bool = False) -> ArrayOrTensor:
        """Gamma >= 0 at features (*shape, d): (*batch, *shape).

        Where `paired`, features are (*batch, *shape, d): each of the batch is asked about its own.
        """
