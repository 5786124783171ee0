"""Uncertainty quantifiers Gamma for deep learners, one for each group of contexts, as d3rlpy configs.

Source: arXiv 2503.07988, Algorithm 4; the same Lambda as in `offctx.linear.EllipticalUncertainty`. For the data D_i of group i,

    Lambda_i = sum_{D_i} phi phi^T + ridge I
    Gamma_i(x, a) = beta sqrt( phi(x, a)^T Lambda_i^{-1} phi(x, a) ) = beta | L_i^{-1} phi(x, a) |,    Lambda_i = L_i L_i^T

on features phi that are fixed (random Fourier features, or the observation and action themselves), or the critic's own
penultimate layer; or Gamma is beta times the standard deviation over the critic's members. With discrete actions features
are of the observation alone, and Lambda_i has one block an action; Gamma is given for all actions.

L^{-1} is found in float64 and kept in float32: Gamma is then a norm, in which nothing cancels.

Dimensions: n groups, m slots of a group, N transitions, k members of an ensemble, o observation, a action, A actions,
d features, h features of the critic, b blocks (A with discrete actions, else 1).
"""

from abc import ABC, abstractmethod
from typing import final

import torch
from torch import Tensor, nn

from offctx.errors import AlgorithmError, LinearError
from offctx.uncertainty.elliptical import EllipticalUncertainty
from offctx.uncertainty.features import FeatureMap, admit_features
from offctx.uncertainty.gram import gram_matrices

_SMALL = 1e-6  # features of the critic with a smaller norm are not stretched to norm 1


class Uncertainty(nn.Module, ABC):
    """Gamma for each group of contexts. All that it learns lives in buffers of sizes fixed when it is made."""

    def prepare(self, observations: Tensor, actions: Tensor, groups: Tensor) -> None:
        """See all data once, before training; a kind that learns nothing from them ignores it.

        Args:
            observations: (N, o), scaled as the learner's networks see them.
            actions: (N, a), scaled likewise; or integers (N,).
            groups: integers in [0, n), (N,).
        """

    def observe(self, observations: Tensor, actions: Tensor, features: Tensor, mask: Tensor) -> None:
        """See one batch, at every update; a kind that does not follow the critic ignores it.

        Args:
            observations: (n, m, o).
            actions: (n, m, a), or integers (n, m).
            features: the critic's, (n, m, h).
            mask: which slots hold a transition, (n, m).
        """

    def turn_to(self, group: int) -> None:
        """Judge for one group alone from here on, and forget what followed the critic; all tensors are then (1, m, ...).

        For critics that serve one group after the other. A kind that does not tell groups apart ignores it.
        """

    @abstractmethod
    def forward(self, observations: Tensor, actions: Tensor | None, features: Tensor, members: Tensor) -> Tensor:
        """Gamma >= 0, float32: (n, m), or (n, m, A) for all of discrete actions. Differentiable in what it is made of.

        Args:
            observations: (n, m, o).
            actions: (n, m, a), or None with discrete actions.
            features: the critic's, (n, m, h).
            members: values of the critic's members, (k, n, m) or (k, n, m, A).
        """


@final
class NoUncertainty(Uncertainty):
    """Gamma = 0."""

    def forward(self, observations: Tensor, actions: Tensor | None, features: Tensor, members: Tensor) -> Tensor:
        """See `Uncertainty.forward`."""
        return torch.zeros_like(members[0])


@final
class EnsembleUncertainty(Uncertainty):
    """Gamma = beta times the standard deviation over the critic's members (with k - 1 in its denominator)."""

    def __init__(self, beta: float) -> None:
        super().__init__()
        self.beta = beta

    def forward(self, observations: Tensor, actions: Tensor | None, features: Tensor, members: Tensor) -> Tensor:
        """See `Uncertainty.forward`. Raises AlgorithmError for a single member."""
        if len(members) < 2:
            raise AlgorithmError("the ensemble quantifier needs at least two members of the critic; found 1: set n_critics=2")
        return self.beta * members.std(dim=0)


@final
class FixedElliptical(Uncertainty):
    """The elliptical Gamma on features that do not change: exact, from one pass over the data.

    Args:
        features: of (x, a), or with discrete actions of x alone; fitted by `prepare`.
        groups: n.
        actions: A, or None with continuous actions.
        beta: the scale.
        ridge: lambda.
    """

    whitening: Tensor
    chosen: Tensor | None  # the only group to judge for, (1,); None: all

    def __init__(self, features: FeatureMap, groups: int, actions: int | None, beta: float, ridge: float) -> None:
        super().__init__()
        self.features, self.actions = features, actions
        self.beta, self.ridge = beta, ridge
        self.register_buffer("whitening", torch.full((groups, actions or 1, features.size, features.size), torch.inf))
        self.register_buffer("chosen", None)

    def prepare(self, observations: Tensor, actions: Tensor, groups: Tensor) -> None:
        """See `Uncertainty.prepare`. Raises LinearError for groups or actions out of range, or given features too long."""
        n, b = self.whitening.shape[:2]
        taken, blocks = (actions, groups) if self.actions is None else (None, groups * b + _chosen(actions, b))
        self.features.fit(observations, taken)
        admit_features(self.features, observations, taken)
        grams = gram_matrices(self.features, observations, taken, blocks, n * b)
        fitted = EllipticalUncertainty.from_gram(grams.reshape(n, b, *grams.shape[1:]), self.beta, self.ridge)
        self.whitening.copy_(fitted.whitening)

    def turn_to(self, group: int) -> None:
        """See `Uncertainty.turn_to`."""
        self.chosen = torch.tensor([group], device=self.whitening.device)

    def forward(self, observations: Tensor, actions: Tensor | None, features: Tensor, members: Tensor) -> Tensor:
        """See `Uncertainty.forward`. Raises AlgorithmError before `prepare`."""
        if not self.features.is_fitted:
            raise AlgorithmError(
                "the elliptical quantifier has seen no data: fit the learner on dataset.replay_buffer(...), or call "
                "prepare(observations, actions, groups) of all of them first"
            )
        phi = self.features(observations, None if self.actions else actions)
        whitening = self.whitening if self.chosen is None else self.whitening[self.chosen]
        return self.beta * _length(whitening, phi, all_actions=self.actions is not None)


@final
class CriticElliptical(Uncertainty):
    """The elliptical Gamma on the critic's penultimate layer, which changes as the critic learns.

    Features are divided by their own norm. ReLU networks are homogeneous: weights that grow in one layer and shrink in the
    next give the same values, with features of any norm. Only their direction means something from one update to the next;
    a running norm would also leave |phi| <= 1 unkept off the data. All-zero features stay zero.

    Lambda_i = N_i M_i + ridge I with M_i a running mean of phi phi^T over batches, each the mean over the group's rows in it:
    the plain mean of the first 1 / momentum batches, an exponential one from there on. Lambda is factored at the first batch
    and at every `interval`-th from there on; before, it is ridge I: all is uncertain. N_i is the size of the group's data
    where `prepare` told of them, else the number of its transitions seen so far.

    Args:
        size: h.
        groups: n.
        actions: A, or None with continuous actions.
        beta: the scale.
        ridge: lambda.
        momentum: of the exponential mean.
        interval: batches between factorisations.
    """

    whitening: Tensor
    moments: Tensor
    transitions: Tensor
    prepared: Tensor
    updates: Tensor
    batches: Tensor
    chosen: Tensor | None  # the only group to judge for, (1,); None: all

    def __init__(
        self, size: int, groups: int, actions: int | None, beta: float, ridge: float, momentum: float, interval: int
    ) -> None:
        super().__init__()
        self.actions = actions
        self.beta, self.ridge, self.momentum, self.interval = beta, ridge, momentum, interval
        blocks = (groups, actions or 1, size, size)
        self.register_buffer("whitening", (torch.eye(size) / ridge**0.5).expand(blocks).clone())
        self.register_buffer("moments", torch.zeros(blocks))
        self.register_buffer("transitions", torch.zeros(groups, dtype=torch.int64))
        self.register_buffer("prepared", torch.tensor(False))  # whether `transitions` are those of the data
        self.register_buffer("updates", torch.zeros(groups, dtype=torch.int64))  # batches with rows of the group
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))
        self.register_buffer("chosen", None)

    def prepare(self, observations: Tensor, actions: Tensor, groups: Tensor) -> None:
        """See `Uncertainty.prepare`."""
        self.transitions.copy_(torch.bincount(groups, minlength=len(self.transitions)))
        self.prepared.fill_(True)

    def turn_to(self, group: int) -> None:
        """See `Uncertainty.turn_to`: moments of one group are kept, and start again; the sizes of all groups' data stay."""
        self.chosen = torch.tensor([group], device=self.moments.device)
        self.moments = torch.zeros_like(self.moments[:1])
        self.whitening = (torch.eye(self.moments.shape[-1]) / self.ridge**0.5).to(self.moments).expand_as(self.moments).clone()
        self.updates = torch.zeros_like(self.updates[:1])
        self.batches.zero_()

    @torch.no_grad()
    def observe(self, observations: Tensor, actions: Tensor, features: Tensor, mask: Tensor) -> None:
        """See `Uncertainty.observe`."""
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
        mine = slice(None) if self.chosen is None else self.chosen
        self.transitions[mine] += torch.where(self.prepared, 0, counts)
        if int(self.batches) % self.interval == 0:
            grams = self.transitions[mine][:, None, None, None] * self.moments.double()
            self.whitening.copy_(EllipticalUncertainty.from_gram(grams, self.beta, self.ridge).whitening)
        self.batches += 1

    def forward(self, observations: Tensor, actions: Tensor | None, features: Tensor, members: Tensor) -> Tensor:
        """See `Uncertainty.forward`."""
        return self.beta * _length(self.whitening, _directions(features), all_actions=self.actions is not None)


def _directions(features: Tensor) -> Tensor:
    return nn.functional.normalize(features.float(), dim=-1, eps=_SMALL)


def _length(whitening: Tensor, phi: Tensor, *, all_actions: bool) -> Tensor:
    """|L^{-1} phi| for whitening (n, b, d, d) and phi (n, m, d): (n, m, b), or (n, m) with one block.

    Its gradient at phi = 0 is 0, where that of sqrt(phi^T Lambda^{-1} phi) is not a number.
    """
    white = phi @ whitening.flatten(1, 2).mT  # (n, m, b d)
    lengths: Tensor = torch.linalg.vector_norm(white.reshape(*phi.shape[:2], *whitening.shape[1:3]), dim=-1)
    return lengths if all_actions else lengths[..., 0]


def _chosen(actions: Tensor, size: int) -> Tensor:
    """Discrete actions as indices; out of range is a LinearError where looking does not make an accelerator wait."""
    chosen = actions.long()
    if not chosen.is_cuda and chosen.numel() and not 0 <= int(chosen.min()) <= int(chosen.max()) < size:
        raise LinearError(f"expected discrete actions in 0..{size - 1}; found {int(chosen.min())} to {int(chosen.max())}")
    return chosen
