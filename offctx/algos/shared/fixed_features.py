"""Gamma for deep critics on features that do not change: random Fourier features, or the observation and action themselves.

Dimensions: n groups, m slots of a group, N transitions, k members of an ensemble, o observation, a action, A actions,
d features, b blocks (A with discrete actions, else 1).
"""

from typing import final

import torch
from torch import Tensor

from offctx.algos.shared.fitted import FittedQuantifier
from offctx.algos.shared.uncertainty import Uncertainty, chosen_actions, for_actions
from offctx.errors import AlgorithmError
from offctx.uncertainty.feature_map import FeatureMap
from offctx.uncertainty.features import admit_features
from offctx.uncertainty.groups import GroupedFeatures
from offctx.uncertainty.quantifier import UncertaintyQuantifier


@final
class FixedFeatureUncertainty(Uncertainty):
    """Gamma of a quantifier on features that do not change: exact, from one pass over the data.

    Args:
        quantifier: not fitted.
        features: of (x, a), or with discrete actions of x alone; fitted by `prepare`.
        groups: n.
        actions: A, or None with continuous actions.
    """

    chosen: Tensor | None  # the only group that is served, (1,); None: all

    def __init__(self, quantifier: UncertaintyQuantifier, features: FeatureMap, groups: int, actions: int | None) -> None:
        super().__init__(quantifier)
        self.pooling = quantifier.pooling
        self.features, self.actions, self.batch = features, actions, (groups, actions or 1)
        self.fitted = FittedQuantifier(quantifier)
        self.register_buffer("chosen", None)

    def prepare(self, observations: Tensor, actions: Tensor, groups: Tensor) -> None:
        """Fits features and quantifier.

        Raises:
            LinearError: groups or actions out of range, or given features of norm above 1.
        """
        b = self.batch[1]
        discrete = self.actions is not None
        continuous_actions = None if discrete else actions
        blocks = groups * b + chosen_actions(actions, b) if discrete else groups
        self.features.fit(observations, continuous_actions)
        admit_features(self.features, observations, continuous_actions)
        self.fitted.fit_groups(GroupedFeatures(self.features, observations, continuous_actions, blocks, self.batch))

    def turn_to(self, group: int) -> None:
        """Serves one group alone from here on."""
        self.chosen = torch.tensor([group], device=self.fitted.device)

    def forward(self, observations: Tensor, actions: Tensor | None, features: Tensor, members: Tensor) -> Tensor:
        """The quantifier at the fixed features of a query.

        Raises:
            AlgorithmError: before `prepare`.
        """
        if not self.features.is_fitted:
            raise AlgorithmError(
                f"{type(self.fitted.prototype).__name__} has seen no data: fit the learner on dataset.replay_buffer(...), or "
                f"call prepare(observations, actions, groups) of all of them first"
            )
        phi = self.features(observations, None if self.actions else actions)
        quantifier = self.fitted.quantifier
        quantifier = quantifier if self.chosen is None else quantifier.select(self.chosen)
        return for_actions(quantifier.bonus_by_block(phi, self.batch[1]), self.actions)
