"""Gamma of each environment's and action's own data, at features of observations.

Dimensions: n environments, K observations of each, T steps with data of their own, A actions, m features.
"""

import torch
from torch import Tensor

from offctx.uncertainty.elliptical import EllipticalUncertainty
from offctx.uncertainty.gamma import check_gamma
from offctx.uncertainty.groups import GroupedFeatures
from offctx.uncertainty.quantifier import UncertaintyQuantifier

_ROWS = 2**14  # observations whose bonus is computed at a time


def fit_quantifier(
    quantifier: UncertaintyQuantifier, data: GroupedFeatures, regression: EllipticalUncertainty
) -> UncertaintyQuantifier:
    """The quantifier of grouped data, batch (T, n, A); an elliptical one with the regression's ridge shares its Lambda."""
    if isinstance(quantifier, EllipticalUncertainty) and quantifier.ridge == regression.ridge:
        return quantifier.with_tensors(regression.tensors())
    return quantifier.with_tensors(quantifier.fit_groups(data).tensors())


def bonus_of_actions(quantifier: UncertaintyQuantifier, features: Tensor, actions: int) -> Tensor:
    """Gamma of all A actions (n, K, A) at features (n, K, m), some observations at a time; the quantifier's batch is (n, A).

    Products inside are A m times as large as the result.

    Raises:
        LinearError: Gamma is negative or not finite.
    """
    if not features.numel():
        return features.new_zeros(*features.shape[:2], actions)
    parts = torch.split(features, max(1, _ROWS // max(1, len(features))), dim=1)
    gamma = torch.cat([quantifier.bonus_by_block(part, actions) for part in parts], dim=1)
    return check_gamma(gamma, quantifier, (*features.shape[:2], actions), (features,)).to(features.dtype)
