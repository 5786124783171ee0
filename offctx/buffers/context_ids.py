"""The ids of contexts in a buffer.

Dimensions: n rows, C contexts, p context.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from offctx.buffers.table import TransitionTable
from offctx.envs.base import Array

_STREAM = 3  # of the seed of a buffer, for ids that are numbered at random


class ContextIds:
    """The id of each context that a buffer knows. A new context gets the next id that is free.

    Two contexts are the same where their float32 numbers are.

    Args:
        table: with columns "contexts" (N, p) and "context_ids" (N,), which are the first contexts that are known.
        seed: where given, contexts that are new at the same time are numbered at random, so that the number of an environment
            among those played side by side does not tell its context's id; None to number them in their order.
    """

    def __init__(self, table: TransitionTable, seed: int | None = None) -> None:
        self._seed = seed
        ids, first = np.unique(table["context_ids"], return_index=True)
        self._next_id = int(ids.max(initial=-1)) + 1
        self._ids = {table["contexts"][row].tobytes(): int(id_) for id_, row in zip(ids, first, strict=True)}

    def register(self, ids: Sequence[int], contexts: ArrayLike) -> None:
        """Gives contexts (C, p) these ids (C,). A context that is known already keeps its id."""
        for id_, context in zip(ids, np.asarray(contexts, dtype=np.float32), strict=True):
            self._ids.setdefault(context.tobytes(), id_)
        self._next_id = max(self._next_id, *(id_ + 1 for id_ in ids))

    def state(self) -> dict[str, Array]:
        """The known contexts (C, p) and their ids (C,), and the next id."""
        contexts = [np.frombuffer(key, np.float32) for key in self._ids]
        ids = np.array(list(self._ids.values()), np.int64)
        return {"contexts": np.array(contexts, np.float32), "ids": ids, "next_id": np.array(self._next_id)}

    def restore(self, state: dict[str, Array]) -> None:
        """Knows what was known when `state` was called, and nothing else."""
        pairs = zip(state["contexts"], state["ids"], strict=True)
        self._ids = {context.tobytes(): int(id_) for context, id_ in pairs}
        self._next_id = int(state["next_id"])

    def of(self, contexts: Array) -> Array:
        """The ids (n,) of contexts (n, p), float32; unknown ones get new ids."""
        if self._seed is not None and len(contexts) > 1:
            for row in np.random.default_rng([self._seed, _STREAM, self._next_id]).permutation(len(contexts)):
                self._of_one(contexts[row])
        return np.array([self._of_one(context) for context in contexts])

    def _of_one(self, context: Array) -> int:
        key = context.tobytes()
        if key not in self._ids:
            self._ids[key], self._next_id = self._next_id, self._next_id + 1
        return self._ids[key]


def find_ids(known: Array, ids: Array) -> Array:
    """The index of each id (n,) among the known ids, ascending (C,); -1 where it is not among them."""
    index = np.searchsorted(known, ids).clip(max=len(known) - 1)
    return np.where(known[index] == ids, index, -1)
