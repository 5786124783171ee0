"""Contexts and their groups: which critic judges which transition, and how a batch is laid out for one call of all critics.

A learner learns its contexts from a buffer, once; they are kept in its config, so that a loaded learner knows them too.

Dimensions: C contexts, n groups, B batch, m slots of a group (as many as the largest group in a batch needs), p context.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from d3rlpy.dataset import TransitionMiniBatch
from sklearn.cluster import AgglomerativeClustering
from torch import Tensor, nn

from offctx.data.replay_buffer import ContextualReplayBuffer
from offctx.envs.base import Array
from offctx.errors import AlgorithmError

Grouping = Literal["distance", "random"]
_MaybeTensor = TypeVar("_MaybeTensor", Tensor, None)


@dataclass(frozen=True)
class ContextGroups:
    """The contexts that a learner was trained on, in groups.

    Attributes:
        ids: their context ids, ascending (C).
        contexts: what they are (C, p).
        groups: the group of each, 0..n-1 (C).
    """

    ids: list[int]
    contexts: list[list[float]]
    groups: list[int]

    @classmethod
    def of(cls, buffer: Any, groups: int | None, grouping: Grouping, seed: int) -> "ContextGroups | None":
        """The contexts of a buffer: each a group of its own, or in as many groups as asked.

        "distance" is Ward's clustering of the contexts, each coordinate divided by its range; "random" deals them out in
        groups of equal size.

        Returns:
            None for a single group of a buffer whose contexts are unknown, such as d3rlpy's own: then nothing depends on them.

        Raises:
            AlgorithmError: contexts unknown, a single one, or fewer than groups.
        """
        ids, contexts = _contexts_of(buffer)
        if groups == 1 and (len(ids) == 0 or ids[0] < 0):
            return None
        if len(ids) == 0:
            raise AlgorithmError(
                f"expected a buffer with labelled contexts, as dataset.replay_buffer() makes; found {type(buffer).__name__} "
                f"without any. groups=1 does without labels"
            )
        if ids[0] < 0:
            raise AlgorithmError(f"expected every transition to know its context; found {_UNKNOWN}")
        if len(ids) == 1 and groups is None:
            raise AlgorithmError(
                f"the data hold a single context, {contexts[0].tolist()}: there is nothing to tell apart. groups=1 says that "
                f"this is meant"
            )
        if groups is not None and groups > len(ids):
            raise AlgorithmError(
                f"expected at most as many groups as contexts: the data hold {len(ids)}; found groups={groups}"
            )
        labels = np.arange(len(ids)) if groups is None else _grouped(contexts, groups, grouping, seed)
        return cls(ids.tolist(), contexts.tolist(), labels.tolist())

    @property
    def size(self) -> int:
        """How many groups, n."""
        return max(self.groups) + 1

    def check(self, buffer: Any) -> None:
        """That a buffer's context ids mean what they meant when this was made."""
        ids, contexts = _contexts_of(buffer)
        known = dict(zip(self.ids, self.contexts, strict=True))
        for number, context in zip(ids.tolist(), contexts, strict=True):
            if number not in known:
                raise AlgorithmError(_never_seen(number, self.ids))
            if not np.allclose(known[number], context):
                raise AlgorithmError(
                    f"context id {number} was {known[number]} when this learner met its data; in this buffer it is "
                    f"{context.tolist()}: train on one dataset, or make a new learner"
                )


_UNKNOWN = (
    "transitions with id -1, as steps appended online without buffer.connect(env) have where the context is hidden; "
    "groups=1 does without ids"
)


def _never_seen(number: int, ids: Sequence[int]) -> str:
    shown = f"{list(ids)}" if len(ids) <= 20 else f"{len(ids)} ids from {ids[0]} to {ids[-1]}"
    return f"context id {number} was never seen: this learner has critics for {shown}"


def _contexts_of(buffer: Any) -> tuple[Array, Array]:
    """The ids in a buffer, ascending (C,), and their contexts (C, p); empty where it carries none."""
    if not isinstance(buffer, ContextualReplayBuffer) or not buffer.transition_count:
        return np.empty(0, np.int64), np.empty((0, 0))
    ids, first = np.unique(buffer.table["context_ids"], return_index=True)
    return ids, buffer.table["contexts"][first].astype(np.float64)


def _grouped(contexts: Array, groups: int, grouping: Grouping, seed: int) -> Array:
    """A group for each context (C,), numbered by first appearance."""
    if grouping == "random":
        labels = np.random.default_rng(seed).permutation(len(contexts)) % groups
    elif groups == 1 or groups == len(contexts):
        labels = np.arange(len(contexts)) % groups
    else:
        extent = np.ptp(contexts, axis=0)
        scaled = contexts / np.where(extent > 0, extent, 1)
        labels = AgglomerativeClustering(groups, linkage="ward").fit_predict(scaled)
    _, first, numbers = np.unique(labels, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[numbers])


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
            raise AlgorithmError(f"expected a batch in which every transition knows its context; found {_UNKNOWN}")
        if self._known is None:
            return ids % self.groups, ids % self.groups
        found = self._find(ids)
        if (found < 0).any():
            raise AlgorithmError(_never_seen(int(ids[found < 0][0]), self._known.ids))
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


@dataclass(frozen=True)
class Layout:
    """How the rows of a batch lie side by side by group, so that all critics are called at once.

    Attributes:
        rows: the batch row in each slot (n, m); slots to spare repeat some row.
        mask: which slots are filled (n, m).
        slots: the place of each batch row among the n m slots (B,).
        counts: the rows of each row's own group (B,).
        groups: how many groups have rows.
    """

    rows: Tensor
    mask: Tensor
    slots: Tensor
    counts: Tensor
    groups: int

    @classmethod
    def of(cls, groups: Array | None, n: int, size: int, device: str) -> "Layout":
        """For the groups (B,) of a batch of `size` rows."""
        if groups is None or n == 1:
            every = torch.arange(size, device=device)
            return cls(
                every[None], torch.ones(1, size, dtype=torch.bool, device=device), every, torch.full_like(every, size), 1
            )
        order = np.argsort(groups, kind="stable")
        counts = np.bincount(groups, minlength=n)
        starts = np.cumsum(counts) - counts
        slot = np.arange(counts.max())
        rows = order[np.minimum(starts[:, None] + slot, size - 1)]
        within = np.empty(size, dtype=np.int64)
        within[order] = np.arange(size) - starts[groups[order]]

        def on(x: Array) -> Tensor:
            return torch.from_numpy(x).to(device)

        slots = groups * len(slot) + within
        return cls(on(rows), on(slot < counts[:, None]), on(slots), on(counts[groups]), int((counts > 0).sum()))

    def pack(self, x: Tensor) -> Tensor:
        """From (B, ...) to (n, m, ...)."""
        return x[None] if len(self.rows) == 1 else x[self.rows]

    def unpack(self, x: Tensor, lead: int = 0) -> Tensor:
        """From (*lead, n, m, ...) to (*lead, B, ...)."""
        return x.squeeze(lead) if len(self.rows) == 1 else x.flatten(lead, lead + 1).index_select(lead, self.slots)
