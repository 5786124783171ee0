"""Contexts and their groups: which critic judges which transition, and how a batch is laid out for one call of all critics.

A learner learns its contexts from a buffer, once; they are kept in its config, so that a loaded learner knows them too.

Dimensions: C contexts, n groups, B batch, m slots of a group (as many as the largest group in a batch needs), p context.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
from sklearn.cluster import AgglomerativeClustering
from torch import Tensor

from offctx.buffers.replay_buffer import ContextualReplayBuffer
from offctx.envs.base import Array
from offctx.errors import AlgorithmError

Grouping = Literal["distance", "random"]
_MaybeTensor = TypeVar("_MaybeTensor", Tensor, None)


UNKNOWN = (
    "transitions with id -1, as steps appended online without buffer.connect(env) have where the context is hidden; "
    "groups=1 does without ids"
)


def unknown_id_message(number: int, ids: Sequence[int]) -> str:
    shown = f"{list(ids)}" if len(ids) <= 20 else f"{len(ids)} ids from {ids[0]} to {ids[-1]}"
    return f"context id {number} was never seen: this learner has critics for {shown}"


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
            raise AlgorithmError(f"expected every transition to know its context; found {UNKNOWN}")
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
                raise AlgorithmError(unknown_id_message(number, self.ids))
            if not np.allclose(known[number], context):
                raise AlgorithmError(
                    f"context id {number} was {known[number]} when this learner met its data; in this buffer it is "
                    f"{context.tolist()}: train on one dataset, or make a new learner"
                )


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
