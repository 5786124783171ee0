"""The disagreement of an ensemble of critics.

    Gamma(x, a) = beta sqrt( sum_j (Q_j(x, a) - mean_j Q_j(x, a))^2 / (k - 1) ),        j = 1..k members

Dimensions: k members.
"""

from typing import Any, NoReturn, final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from offctx.checks import at_least
from offctx.errors import AlgorithmError, LinearError
from offctx.uncertainty.quantifier import ArrayOrTensor, UncertaintyQuantifier


@final
class EnsembleUncertainty(UncertaintyQuantifier):
    """Gamma = beta times the standard deviation over the members of a deep critic, subtracted from the members' mean.

    Args:
        beta: the scale, >= 0.

    Raises:
        LinearError: beta < 0, or `fit`.
        AlgorithmError: a critic with a single member.
    """

    needs = "members"
    pooling = "mean"

    def __init__(self, beta: float = 1.0) -> None:
        self.beta = at_least(beta, 0, "beta")

    def fit(self, features: NDArray[Any] | Tensor, counts: NDArray[Any] | Tensor | None = None) -> NoReturn:
        """Not possible: the members are trained by the learner, and the quantifier has nothing to fit.

        Raises:
            LinearError: always.
        """
        raise LinearError("EnsembleUncertainty is a function of a deep critic's members and is not fitted to features")

    update = fit

    def bonus(self, features: ArrayOrTensor, *, paired: bool = False) -> ArrayOrTensor:
        """Gamma (*shape) of the members' values (*shape, k)."""
        k = features.shape[-1]
        if k < 2:
            raise AlgorithmError(
                f"the ensemble quantifier needs at least two members of the critic; found {k}: set n_critics=2"
            )
        if isinstance(features, Tensor):
            return self.beta * features.std(dim=-1)
        return np.asarray(self.beta * features.std(axis=-1, ddof=1))
