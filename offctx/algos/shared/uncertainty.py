"""Quantifiers for deep critics: one Gamma for each group of contexts, in modules whose state_dict holds all that is fitted.

Source: arXiv 2503.07988, Algorithm 4. For the data D_i of group i a quantifier of `offctx.uncertainty` gives Gamma_i, as

    EllipticalUncertainty:  Gamma_i = beta sqrt( phi^T Lambda_i^{-1} phi ),    Lambda_i = sum_{D_i} phi phi^T + ridge I
    EnsembleUncertainty:    Gamma_i = beta times the standard deviation over the critic's members

A module brings the features to the quantifier: features that are fixed (`fixed_features.py`), or the critic's own penultimate
layer (`critic_features.py`); or the members' values (`MemberUncertainty`). With discrete actions features are of the
observation alone, each action has a quantifier of its own, and Gamma is given for all actions.

What was fitted in float64 is kept in float32.

Dimensions: n groups, m slots of a group, N transitions, k members of an ensemble, o observation, a action, A actions,
d features, h features of the critic, b blocks (A with discrete actions, else 1).
"""

from abc import ABC, abstractmethod
from typing import Any, final

import torch
from torch import Tensor

from offctx.algos.shared.fitted import HoldsFittedQuantifier
from offctx.errors import LinearError
from offctx.uncertainty.gamma import DeferredCheck
from offctx.uncertainty.quantifier import Pooling, UncertaintyQuantifier


class Uncertainty(HoldsFittedQuantifier, ABC):
    """Gamma for each group of contexts. All that a module learns lives in its buffers.

    Attributes:
        pooling: how the critic's members become one value before Gamma is subtracted: their "minimum" or "mean".
    """

    pooling: Pooling = "minimum"

    def __init__(self, quantifier: object = None) -> None:
        super().__init__()
        self._check = DeferredCheck(self if quantifier is None else quantifier)

    @final
    def pessimistic(self, members: Tensor, observations: Tensor, actions: Tensor | None, features: Tensor) -> Tensor:
        """The members' pooled value less Gamma, (n, m) or (n, m, A); arguments as in `forward`.

        Raises:
            LinearError: Gamma is negative or not finite; on an accelerator some updates later.
        """
        pooled = members.mean(dim=0) if self.pooling == "mean" else members.amin(dim=0)
        return self.subtract(pooled, members, observations, actions, features)

    def subtract(
        self, pooled: Tensor, members: Tensor, observations: Tensor, actions: Tensor | None, features: Tensor
    ) -> Tensor:
        """The pooled value less Gamma."""
        gamma = self(observations, actions, features, members)
        return pooled - self._check(gamma, pooled.shape, (features, members)).to(pooled.dtype)

    def prepare(self, observations: Tensor, actions: Tensor, groups: Tensor) -> None:
        """Receives all data once, before training; ignored by default.

        Args:
            observations: (N, o), scaled as the learner's networks see them.
            actions: (N, a), scaled likewise; or integers (N,).
            groups: integers in [0, n), (N,).
        """

    def observe(self, observations: Tensor, actions: Tensor, features: Tensor, mask: Tensor) -> None:
        """Receives one batch at every update; ignored by default.

        Args:
            observations: (n, m, o).
            actions: (n, m, a), or integers (n, m).
            features: the critic's, (n, m, h).
            mask: which slots hold a transition, (n, m).
        """

    def turn_to(self, group: int) -> None:
        """Serves one group alone from here on, and forgets what followed the critic; all tensors are then (1, m, ...).

        For critics that serve one group after the other. Ignored by default, for modules that do not tell groups apart.
        """

    @abstractmethod
    def forward(self, observations: Tensor, actions: Tensor | None, features: Tensor, members: Tensor) -> Tensor:
        """Gamma >= 0, float32: (n, m), or (n, m, A) for all discrete actions. Differentiable in its arguments.

        Args:
            observations: (n, m, o).
            actions: (n, m, a), or None with discrete actions.
            features: the critic's, (n, m, h).
            members: values of the critic's members, (k, n, m) or (k, n, m, A).
        """

    def _save_to_state_dict(self, *args: Any, **options: Any) -> None:
        self._check.settle()
        super()._save_to_state_dict(*args, **options)


@final
class WithoutUncertainty(Uncertainty):
    """Gamma = 0."""

    def subtract(
        self, pooled: Tensor, members: Tensor, observations: Tensor, actions: Tensor | None, features: Tensor
    ) -> Tensor:
        """The pooled value."""
        return pooled

    def forward(self, observations: Tensor, actions: Tensor | None, features: Tensor, members: Tensor) -> Tensor:
        """0 at every query."""
        return torch.zeros_like(members[0])


@final
class MemberUncertainty(Uncertainty):
    """Gamma of a quantifier that needs the members' values."""

    def __init__(self, quantifier: UncertaintyQuantifier) -> None:
        super().__init__(quantifier)
        self.quantifier, self.pooling = quantifier, quantifier.pooling

    def forward(self, observations: Tensor, actions: Tensor | None, features: Tensor, members: Tensor) -> Tensor:
        """The quantifier of members (k, n, m, ...): (n, m, ...)."""
        return self.quantifier.bonus(members.movedim(0, -1))


def for_actions(gamma: Tensor, actions: int | None) -> Tensor:
    """Gamma of all blocks (n, m, b) as (n, m, A), or (n, m) with continuous actions."""
    return gamma[..., 0] if actions is None else gamma


def chosen_actions(actions: Tensor, size: int) -> Tensor:
    """Discrete actions as indices; out of range is a LinearError where looking does not make an accelerator wait."""
    chosen = actions.long()
    if not chosen.is_cuda and chosen.numel() and not 0 <= int(chosen.min()) <= int(chosen.max()) < size:
        raise LinearError(f"expected discrete actions in 0..{size - 1}; found {int(chosen.min())} to {int(chosen.max())}")
    return chosen
