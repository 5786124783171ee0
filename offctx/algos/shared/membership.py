"""From the context ids of a batch to contexts, groups and weights."""

import numpy as np
import torch
from d3rlpy.dataset import TransitionMiniBatch
from torch import Tensor, nn

from offctx.algos.shared.groups import UNKNOWN, ContextGroups, unknown_id_message
from offctx.envs.base import Array
from offctx.errors import AlgorithmError


class Membership(nn.Module):
    """From the context ids of a batch to contexts and groups; counts what it has seen of each context.

    Args:
        known: the contexts and their groups; None for contexts that are not known in advance.
        groups: n. Without known contexts, id k belongs to group k modulo n.
    """

    seen: Tensor

    def __init__(self, known: ContextGroups | None, groups: int) -> None:
        super().__init__()
        self.groups = groups
        self.meet(known)

    def meet(self, known: ContextGroups | None) -> None:
        """Take contexts as known, and start counting."""
        self._known = known
        device = self.seen.device if hasattr(self, "seen") else None
        self.register_buffer("seen", torch.zeros(len(known.ids) if known else self.groups, dtype=torch.float64, device=device))
        if known is not None:
            ids = np.asarray(known.ids)
            self._index = np.full(ids[-1] + 1, -1)
            self._index[ids] = np.arange(len(ids))
            self._group_of = np.asarray(known.groups)

    def of(self, batch: TransitionMiniBatch | None) -> tuple[Array | None, Array | None]:
        """The context (B,) and the group (B,) of each transition, as indices.

        None for a single group where ids are missing or unknown: then nothing but the contexts' weights depends on them, and
        all transitions weigh the same.

        Raises:
            AlgorithmError: several groups, and a batch without context ids, or with one that was never seen.
        """
        ids = getattr(batch, "context_ids", None)
        if self.groups == 1:
            return self._of_one(ids)
        if ids is None:
            raise AlgorithmError(
                f"expected a batch with context_ids, as ContextualReplayBuffer draws them; found {type(batch).__name__}. "
                f"Train on dataset.replay_buffer(...), or say groups=1"
            )
        if len(ids) and ids.min() < 0:
            raise AlgorithmError(f"expected a batch in which every transition knows its context; found {UNKNOWN}")
        if self._known is None:
            return ids % self.groups, ids % self.groups
        found = self._find(ids)
        if (found < 0).any():
            raise AlgorithmError(unknown_id_message(int(ids[found < 0][0]), self._known.ids))
        return found, self._group_of[found]

    def _of_one(self, ids: Array | None) -> tuple[Array | None, Array | None]:
        if ids is None or self._known is None or (found := self._find(ids)).min(initial=0) < 0:
            return None, None
        return found, np.zeros_like(found)

    def _find(self, ids: Array) -> Array:
        """The index of each context id (B,); -1 where unknown."""
        within = (ids >= 0) & (ids < len(self._index))
        return np.where(within, self._index[np.where(within, ids, 0)], -1)

    def groups_of(self, ids: Array) -> Tensor:
        """The group of each known context id (N,)."""
        if self._known is None:
            return torch.from_numpy(ids % self.groups if self.groups > 1 else np.zeros_like(ids)).to(self.seen.device)
        return torch.from_numpy(self._group_of[self._index[ids]]).to(self.seen.device)

    def weigh(self, contexts: Array | None, size: int) -> Tensor:
        """Weights (B,) under which the sum over a batch is the unweighted mean over contexts, in expectation.

        A context from which a share f of all transitions seen so far came has 1 / (C f B), so that it counts as much as any
        other, however the buffer draws. Where contexts are not known in advance, C are those seen. With one context weights
        are exactly 1 / B.
        """
        if contexts is None:
            return torch.full((size,), 1 / size, device=self.seen.device)
        index = torch.from_numpy(contexts).to(self.seen.device)
        self.seen.index_add_(0, index, torch.ones_like(index, dtype=torch.float64))
        share = self.seen / self.seen.sum()
        count = len(share) if self._known else torch.count_nonzero(share)
        return (1 / (count * share[index] * size)).float()

    def forward(self) -> None:
        """Not a network."""
        raise NotImplementedError("Membership maps context ids; it has no forward pass")
