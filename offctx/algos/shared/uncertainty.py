"""Quantifiers for deep critics: one Gamma for each group of contexts, in modules whose state_dict holds all that is fitted.

Source: arXiv 2503.07988, Algorithm 4. For the data D_i of group i a quantifier of `offctx.uncertainty` gives Gamma_i, as

    EllipticalUncertainty:  Gamma_i = beta sqrt( phi^T Lambda_i^{-1} phi ),    Lambda_i = sum_{D_i} phi phi^T + ridge I
    EnsembleUncertainty:    Gamma_i = beta times the standard deviation over the critic's members

A module here brings the features to the quantifier: features that are fixed (`FixedFeatureUncertainty`), or the critic's own
penultimate layer (`CriticFeatureUncertainty`); or the members' values (`MemberUncertainty`). With discrete actions features
are of the observation alone, each action has a quantifier of its own, and Gamma is given for all actions.

What was fitted in float64 is kept in float32.

Dimensions: n groups, m slots of a group, N transitions, k members of an ensemble, o observation, a action, A actions,
d features, h features of the critic, b blocks (A with discrete actions, else 1).
"""

from abc import ABC, abstractmethod
from typing import Any, final

import torch
from torch import Tensor, nn

from offctx.algos.shared.fitted import FittedQuantifier
from offctx.errors import AlgorithmError, LinearError
from offctx.uncertainty.features import FeatureMap, admit_features
from offctx.uncertainty.gamma import DeferredCheck
from offctx.uncertainty.groups import GroupedFeatures
from offctx.uncertainty.quantifier import Pooling, UncertaintyQuantifier

_SMALL = 1e-6  # features of the critic with a smaller norm are not stretched to norm 1


class Uncertainty(nn.Module, ABC):
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

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **options: Any) -> None:
        if f"{prefix}whitening" in state_dict:  # the name in files of offctx before `FittedQuantifier`
            state_dict[f"{prefix}fitted.whitening"] = state_dict.pop(f"{prefix}whitening")
        super()._load_from_state_dict(state_dict, prefix, *args, **options)


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
        taken, blocks = (actions, groups) if self.actions is None else (None, groups * b + _chosen(actions, b))
        self.features.fit(observations, taken)
        admit_features(self.features, observations, taken)
        self.fitted.fit_groups(GroupedFeatures(self.features, observations, taken, blocks, self.batch))

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
        return _for_actions(quantifier.bonus_by_block(phi, self.batch[1]), self.actions)


@final
class CriticFeatureUncertainty(Uncertainty):
    """Gamma of a quantifier on the critic's penultimate layer, which changes as the critic learns.

    Features are divided by their own norm. ReLU networks are homogeneous: weights that grow in one layer and shrink in the
    next give the same values, with features of any norm. Only their direction means something from one update to the next;
    a running norm would also leave |phi| <= 1 unkept off the data. All-zero features stay zero.

    The quantifier is fitted to N_i M_i, M_i a running mean of phi phi^T over batches, each the mean over the group's rows in
    it: the plain mean of the first 1 / momentum batches, an exponential one from there on. It is fitted at the first batch
    and at every `interval`-th from there on; before, it is that of no data. N_i is the size of the group's data after
    `prepare`, else the number of its transitions seen so far.

    Args:
        quantifier: one with `fit_gram`.
        size: h.
        groups: n.
        actions: A, or None with continuous actions.
        momentum: of the exponential mean.
        interval: batches between two fits.

    Raises:
        LinearError: the quantifier cannot be fitted from sums of phi phi^T.
    """

    moments: Tensor
    transitions: Tensor
    prepared: Tensor
    updates: Tensor
    batches: Tensor
    chosen: Tensor | None  # the only group that is served, (1,); None: all

    def __init__(
        self,
        quantifier: UncertaintyQuantifier,
        size: int,
        groups: int,
        actions: int | None,
        momentum: float,
        interval: int,
    ) -> None:
        super().__init__(quantifier)
        quantifier.fit_gram(torch.eye(1))  # refuses now where it cannot
        self.pooling, self.actions, self.momentum, self.interval = quantifier.pooling, actions, momentum, interval
        self.fitted = FittedQuantifier(quantifier)
        blocks = (groups, actions or 1)
        self.fitted.put(quantifier.fit_nothing(blocks, size))
        self.register_buffer("moments", torch.zeros(*blocks, size, size))
        self.register_buffer("transitions", torch.zeros(groups, dtype=torch.int64))
        self.register_buffer("prepared", torch.tensor(False))  # whether `transitions` are those of the data
        self.register_buffer("updates", torch.zeros(groups, dtype=torch.int64))  # batches with rows of the group
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))
        self.register_buffer("chosen", None)

    def prepare(self, observations: Tensor, actions: Tensor, groups: Tensor) -> None:
        """Counts the transitions of each group."""
        self.transitions.copy_(torch.bincount(groups, minlength=len(self.transitions)))
        self.prepared.fill_(True)

    def turn_to(self, group: int) -> None:
        """Keeps the moments of one group, which start again; the sizes of all groups' data stay."""
        self.chosen = torch.tensor([group], device=self.moments.device)
        self.moments = torch.zeros_like(self.moments[:1])
        _, blocks, size, _ = self.moments.shape
        self.fitted.put(self.fitted.prototype.fit_nothing((1, blocks), size))
        self.updates = torch.zeros_like(self.updates[:1])
        self.batches.zero_()

    @torch.no_grad()
    def observe(self, observations: Tensor, actions: Tensor, features: Tensor, mask: Tensor) -> None:
        """Moves the second moments towards those of the batch; fits the quantifier at every `interval`-th batch."""
        counts = mask.sum(dim=1)
        present = counts > 0
        self.updates += present
        rates = present * (1 / self.updates.clamp_min(1)).clamp_min(self.momentum)
        phi = _directions(features) * mask[..., None]
        rows = (phi * (rates / counts.clamp_min(1))[:, None, None])[:, None]
        if self.actions is not None:
            one_hot = nn.functional.one_hot(_chosen(actions, self.actions), self.actions)
            rows = rows * one_hot.mT[..., None]  # (n, A, m, h)
        self.moments.mul_((1 - rates)[:, None, None, None])  # in place: fresh memory of this size costs more than the sums
        self.moments.flatten(0, 1).baddbmm_(rows.flatten(0, 1).mT, phi[:, None].expand_as(rows).flatten(0, 1))
        own = slice(None) if self.chosen is None else self.chosen
        self.transitions[own] += torch.where(self.prepared, 0, counts)
        if int(self.batches) % self.interval == 0:
            grams = self.transitions[own][:, None, None, None] * self.moments.double()
            self.fitted.put(self.fitted.prototype.fit_gram(grams))
        self.batches += 1

    def forward(self, observations: Tensor, actions: Tensor | None, features: Tensor, members: Tensor) -> Tensor:
        """The quantifier at the directions of the critic's features."""
        gamma = self.fitted.quantifier.bonus_by_block(_directions(features), self.moments.shape[1])
        return _for_actions(gamma, self.actions)


def _directions(features: Tensor) -> Tensor:
    return nn.functional.normalize(features.float(), dim=-1, eps=_SMALL)


def _for_actions(gamma: Tensor, actions: int | None) -> Tensor:
    """Gamma of all blocks (n, m, b) as (n, m, A), or (n, m) with continuous actions."""
    return gamma[..., 0] if actions is None else gamma


def _chosen(actions: Tensor, size: int) -> Tensor:
    """Discrete actions as indices; out of range is a LinearError where looking does not make an accelerator wait."""
    chosen = actions.long()
    if not chosen.is_cuda and chosen.numel() and not 0 <= int(chosen.min()) <= int(chosen.max()) < size:
        raise LinearError(f"expected discrete actions in 0..{size - 1}; found {int(chosen.min())} to {int(chosen.max())}")
    return chosen
