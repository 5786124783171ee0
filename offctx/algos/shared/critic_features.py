"""Gamma for deep critics on the critic's own penultimate layer, from running second moments.

    M_i <- (1 - rate) M_i + rate mean over the batch's rows of group i of phi phi^T,        Gamma_i by sum phi phi^T = N_i M_i

Dimensions: n groups, m slots of a group, N transitions, k members of an ensemble, o observation, a action, A actions,
h features of the critic, b blocks (A with discrete actions, else 1).
"""

from typing import Any, final

import torch
from torch import Tensor, nn

from offctx.algos.shared.fitted import FittedQuantifier
from offctx.algos.shared.uncertainty import Uncertainty, chosen_actions, for_actions
from offctx.uncertainty.quantifier import UncertaintyQuantifier

_SMALL = 1e-6  # features of the critic with a smaller norm are not stretched to norm 1


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
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))  # saved with the learner
        self._n_batches = 0  # the same number for the host: no update reads `batches` from the device
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
        self._n_batches = 0

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
            one_hot = nn.functional.one_hot(chosen_actions(actions, self.actions), self.actions)
            rows = rows * one_hot.mT[..., None]  # (n, A, m, h)
        self.moments.mul_((1 - rates)[:, None, None, None])  # in place: fresh memory of this size costs more than the sums
        self.moments.flatten(0, 1).baddbmm_(rows.flatten(0, 1).mT, phi[:, None].expand_as(rows).flatten(0, 1))
        own = slice(None) if self.chosen is None else self.chosen
        self.transitions[own] += torch.where(self.prepared, 0, counts)
        if self._n_batches % self.interval == 0:
            grams = self.transitions[own][:, None, None, None] * self.moments.double()
            self.fitted.put(self.fitted.prototype.fit_gram(grams))
        self.batches += 1
        self._n_batches += 1

    def forward(self, observations: Tensor, actions: Tensor | None, features: Tensor, members: Tensor) -> Tensor:
        """The quantifier at the directions of the critic's features."""
        gamma = self.fitted.quantifier.bonus_by_block(_directions(features), self.moments.shape[1])
        return for_actions(gamma, self.actions)

    def _load_from_state_dict(self, *args: Any, **options: Any) -> None:
        super()._load_from_state_dict(*args, **options)
        self._n_batches = int(self.batches)


def _directions(features: Tensor) -> Tensor:
    return nn.functional.normalize(features.float(), dim=-1, eps=_SMALL)
