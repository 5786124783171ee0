"""No uncertainty: Gamma = 0."""

from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from offctx.uncertainty.groups import GroupedFeatures
from offctx.uncertainty.quantifier import ArrayOrTensor, UncertaintyQuantifier


@final
class NoUncertainty(UncertaintyQuantifier):
    """Gamma = 0: no pessimism."""

    needs = "nothing"

    def __init__(self) -> None:
        self.zeros = torch.zeros(())  # one for each quantifier of the batch

    def fit(self, features: NDArray[Any] | Tensor, counts: NDArray[Any] | Tensor | None = None) -> "NoUncertainty":
        """Keep the batch dimensions."""
        batch = features.shape[:-2] if counts is None or features.ndim > 2 else counts.shape[:-1]
        return self.with_tensors({"zeros": torch.zeros(tuple(batch))})

    def update(self, features: NDArray[Any] | Tensor, counts: NDArray[Any] | Tensor | None = None) -> "NoUncertainty":
        """Nothing changes."""
        return self

    def bonus(self, features: ArrayOrTensor, *, paired: bool = False) -> ArrayOrTensor:
        """0 everywhere."""
        shape = features.shape[:-1] if paired else (*self.zeros.shape, *features.shape[:-1])
        return features.new_zeros(shape) if isinstance(features, Tensor) else np.zeros(shape)

    def fit_groups(self, data: GroupedFeatures) -> "NoUncertainty":
        """Keep the batch dimensions."""
        return self.with_tensors({"zeros": torch.zeros(data.batch)})

    def fit_gram(self, gram: NDArray[Any] | Tensor) -> "NoUncertainty":
        """Keep the batch dimensions."""
        return self.fit(gram)
