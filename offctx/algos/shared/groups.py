"""The contexts that a learner was trained on, and the groups in which they share critics.

A learner takes its contexts from its first buffer and keeps them in its config, so that a loaded learner has them too.

Dimensions: C contexts, n groups, p context.
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
    "transitions with id -1. Steps that are appended online have this id where the context is hidden and buffer.connect(env) "
    "was not called. With groups=1 no ids are needed"
)


def unknown_id_message(context_id: int, ids: Sequence[int]) -> str:
    """The error of a context id that is not among the ids of a learner."""
    listed = f"{list(ids)}" if len(ids) <= 20 else f"{len(ids)} ids from {ids[0]} to {ids[-1]}"
    return f"context id {context_id} was never seen: this learner has critics for {listed}"


@dataclass(frozen=True)
class ContextGroups:
    """The contexts that a learner was trained on, in groups.

    Attributes:
        ids: context ids, ascending (C).
        contexts: the context vectors (C, p).
        groups: the group of each context, 0..n-1 (C).
    """

    ids: list[int]
    contexts: list[list[float]]
    groups: list[int]

    @classmethod
    def of(cls, buffer: Any, groups: int | None, grouping: Grouping, seed: int) -> "ContextGroups | None":
        """The contexts of a buffer, in groups.

        Args:
            buffer: of `dataset.replay_buffer()`; with groups=1 any buffer of d3rlpy.
            groups: n; None: each context is a group.
            grouping: "distance": Ward's clustering of the contexts, each coordinate divided by its range. "random": groups of
                equal size, drawn at random.
            seed: of random groups.

        Returns:
            The contexts in groups; None for a single group of a buffer without labelled contexts, such as d3rlpy's own.

        Raises:
            AlgorithmError: contexts unknown, a single one, or fewer than groups.
        """
        ids, contexts = _contexts_of(buffer)
        if groups == 1 and (len(ids) == 0 or ids[0] < 0):
            return None
        if len(ids) == 0:
            raise AlgorithmError(
                f"expected a buffer with labelled contexts, as dataset.replay_buffer() makes; found {type(buffer).__name__} "
                f"without any. With groups=1, no labels are needed"
            )
        if ids[0] < 0:
            raise AlgorithmError(f"expected every transition to know its context; found {UNKNOWN}")
        if len(ids) == 1 and groups is None:
            raise AlgorithmError(
                f"expected several contexts; the data hold a single context, {contexts[0].tolist()}. If this is intended, say "
                f"groups=1"
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
        """Check that a buffer gives the same contexts to the same ids.

        Args:
            buffer: any; one without labelled contexts passes.

        Raises:
            AlgorithmError: an id that was never seen, or that stood for another context.
        """
        ids, contexts = _contexts_of(buffer)
        context_of = dict(zip(self.ids, self.contexts, strict=True))
        for context_id, context in zip(ids.tolist(), contexts, strict=True):
            if context_id not in context_of:
                raise AlgorithmError(unknown_id_message(context_id, self.ids))
            if not np.allclose(context_of[context_id], context):
                raise AlgorithmError(
                    f"context id {context_id} was {context_of[context_id]} in this learner's first buffer; in this buffer it "
                    f"is {context.tolist()}: train on one dataset, or make a new learner"
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
