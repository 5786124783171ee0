"""The ids of contexts in a buffer.

Dimensions: n rows, C contexts, p context.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from offctx.buffers.table import TransitionTable
from offctx.envs.base import Array

_BLOCK = 1 << 18  # rows that are sorted at once
_STREAM = 3  # of the seed of a buffer, for ids that are numbered at random
_DRAWN_BELOW = 2**31


class ContextIds:
    """The id of each context that a buffer knows.

    Two contexts are the same where their float32 numbers are. Without a seed, a new context gets the next id that is free. With
    a seed, ids tell nothing but which contexts are the same: those that `number` is given are numbered in a random order, and
    one that comes later gets an id that is drawn below 2^31. The seed and how many contexts are known decide about each draw.

    Args:
        table: with columns "contexts" (N, p) and "context_ids" (N,), which are the first contexts that are known.
        seed: of ids that tell nothing; None to number contexts in their order.
    """

    def __init__(self, table: TransitionTable, seed: int | None = None) -> None:
        self._seed = seed
        ids, first = distinct(table["context_ids"])
        self._next_id = int(ids.max(initial=-1)) + 1
        self._ids = {_key(table["contexts"][row]): int(id_) for id_, row in zip(ids, first, strict=True)}
        self._used = set(map(int, ids))

    def register(self, ids: Sequence[int], contexts: ArrayLike) -> None:
        """Gives contexts (C, p) these ids (C,). A context that is known already keeps its id."""
        for id_, context in zip(ids, np.asarray(contexts, dtype=np.float32), strict=True):
            self._ids.setdefault(_key(context), id_)
        self._used.update(ids)
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
        self._used, self._next_id = set(self._ids.values()), int(state["next_id"])

    def number(self, contexts: Array) -> None:
        """Numbers contexts that will come (K, p), those among them that are new; in a random order where there is a seed."""
        rows = np.asarray(contexts, dtype=np.float32)
        order = np.arange(len(rows)) if self._seed is None else self._generator().permutation(len(rows))
        for key in (_key(rows[row]) for row in order):
            if key not in self._ids:
                self._add(key, self._next_free())

    def of(self, contexts: Array) -> Array:
        """The ids (n,) of contexts (n, p), float32; unknown ones get new ids."""
        return np.array([self._of_one(context) for context in contexts])

    def _of_one(self, context: Array) -> int:
        key = _key(context)
        if key not in self._ids:
            self._add(key, self._next_free() if self._seed is None else self._drawn())
        return self._ids[key]

    def _add(self, key: bytes, id_: int) -> None:
        self._ids[key] = id_
        self._used.add(id_)

    def _next_free(self) -> int:
        """The next id of those that are given in their order."""
        while self._next_id in self._used:  # drawn before
            self._next_id += 1
        return self._next_id

    def _drawn(self) -> int:
        """A random id that no context has."""
        generator = self._generator()
        while (id_ := int(generator.integers(_DRAWN_BELOW))) in self._used:
            pass
        return id_

    def _generator(self) -> np.random.Generator:
        return np.random.default_rng([self._seed or 0, _STREAM, len(self._ids)])


def _key(context: Array) -> bytes:
    """The same bytes for the same float32 numbers (p,); 0 and -0 are the same number."""
    return bytes((context + np.float32(0)).tobytes())


def distinct(ids: Array) -> tuple[Array, Array]:
    """The distinct ids of rows (N,), ascending, and the first row of each; with the memory of a block."""
    first: dict[int, int] = {}
    for begin in range(0, len(ids), _BLOCK):
        values, rows = np.unique(ids[begin : begin + _BLOCK], return_index=True)
        for value, row in zip(values.tolist(), rows.tolist(), strict=True):
            first.setdefault(value, begin + row)
    ordered = sorted(first)
    return np.array(ordered, dtype=np.int64), np.array([first[value] for value in ordered], dtype=np.int64)


def find_ids(sorted_ids: Array, ids: Array) -> Array:
    """The index of each id (n,) among the known ids, ascending (C,); -1 where it is not among them."""
    index = np.searchsorted(sorted_ids, ids).clip(max=len(sorted_ids) - 1)
    return np.where(sorted_ids[index] == ids, index, -1)
