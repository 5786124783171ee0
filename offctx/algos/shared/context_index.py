"""From the context ids of a batch to indices of contexts and groups, on the host.

Dimensions: B batch, C contexts, n groups.
"""

from typing import final

import numpy as np
from d3rlpy.dataset import TransitionMiniBatch

from offctx.algos.shared.groups import UNKNOWN, ContextGroups, unknown_id_message
from offctx.buffers.context_ids import find_ids
from offctx.envs.base import Array
from offctx.errors import AlgorithmError


@final
class ContextIndex:
    """Looks up the context and the group of a context id.

    Args:
        contexts: the contexts and their groups; None where contexts are not known in advance: id k then belongs to group
            k modulo n.
        groups: n.
    """

    def __init__(self, contexts: ContextGroups | None, groups: int) -> None:
        self.contexts, self.groups = contexts, groups
        if contexts is not None:
            self._ids = np.asarray(contexts.ids)
            self._group_of = np.asarray(contexts.groups)

    def of(self, batch: TransitionMiniBatch | None) -> tuple[Array | None, Array | None]:
        """The indices of the context (B,) and the group (B,) of each transition.

        Returns:
            None and None for a single group where ids are missing or unknown: then nothing but the weights of contexts
            depends on them, and all transitions weigh the same.

        Raises:
            AlgorithmError: several groups, and a batch without context ids, or with one that was never seen.
        """
        ids = getattr(batch, "context_ids", None)
        if self.groups == 1:
            return self._of_single_group(ids)
        if ids is None:
            raise AlgorithmError(
                f"expected a batch with context_ids, as ContextualReplayBuffer draws them; found {type(batch).__name__}. "
                f"Train on dataset.replay_buffer(...), or say groups=1"
            )
        if len(ids) and ids.min() < 0:
            raise AlgorithmError(f"expected a batch in which every transition knows its context; found {UNKNOWN}")
        if self.contexts is None:
            return ids % self.groups, ids % self.groups
        index = find_ids(self._ids, ids)
        if (index < 0).any():
            raise AlgorithmError(unknown_id_message(int(ids[index < 0][0]), self.contexts.ids))
        return index, self._group_of[index]

    def groups_of(self, ids: Array) -> Array:
        """The group of each context id (N,), all of which are known."""
        if self.contexts is None:
            return np.asarray(ids % self.groups)
        return np.asarray(self._group_of[find_ids(self._ids, ids)])

    def describe_group(self, group: int) -> str:
        """The contexts of a group, for messages."""
        if self.contexts is None:
            return f"contexts k with k modulo {self.groups} = {group}"
        ids = [number for number, own in zip(self.contexts.ids, self.contexts.groups, strict=True) if own == group]
        return f"context id {ids[0]}" if len(ids) == 1 else f"context ids {ids}"

    def _of_single_group(self, ids: Array | None) -> tuple[Array | None, Array | None]:
        if ids is None or self.contexts is None:
            return None, None
        index = find_ids(self._ids, ids)
        if index.min(initial=0) < 0:
            return None, None
        return index, np.zeros_like(index)
