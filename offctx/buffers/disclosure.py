"""What learners see of the contexts in a buffer that hides more than observations do.

"anonymous": ids, which tell which transitions share a context and nothing else; they are numbered at random.
"withheld": nothing.

Inside the buffer all is there: augmentations work on whole batches, and what a learner must not see is taken out afterwards.

Dimensions: N rows, B batch, p context.
"""

import dataclasses
from typing import Any, final

import numpy as np

from offctx.buffers.augmentation import OPTIONAL_ARRAYS
from offctx.buffers.batch import ContextualMiniBatch
from offctx.buffers.table import ReadableTable, TransitionTable
from offctx.contexts.space import ContextSpace
from offctx.data.context_levels import ContextLevel
from offctx.envs.base import Array
from offctx.errors import DatasetError

_STREAM = 1  # of the seed, for ids that are numbered at random


@final
class Disclosure:
    """What a learner sees of contexts.

    Args:
        level: "append" and "hidden" show all; "anonymous" shows ids alone, "withheld" nothing.
        table: of the buffer; its ids are those that are numbered anew.
        space: of the contexts.
        seed: of the new numbers.

    Attributes:
        level: as given.
        space: the context space; one that holds nothing but the number of coordinates where values are not shown.
    """

    def __init__(self, level: ContextLevel, table: TransitionTable, space: ContextSpace, seed: int) -> None:
        self.level = level
        self.whole = level in ("append", "hidden")
        self.space = space if self.whole else _nameless(space.size)
        count = int(table["context_ids"].max(initial=-1)) + 1
        self._numbers = np.random.default_rng([seed, _STREAM]).permutation(count)
        self._view = table if self.whole else VisibleTable(table, self)

    @property
    def table(self) -> ReadableTable:
        """The columns of the buffer as learners see them."""
        return self._view

    def ids(self, ids: Array) -> Array:
        """Context ids (B,) as learners see them: as they are, numbered anew, or -1 for unknown."""
        if self.whole:
            return ids
        if self.level == "withheld":
            return np.full_like(ids, -1)
        renumbered = np.array(ids)
        numbered = (ids >= 0) & (ids < len(self._numbers))
        renumbered[numbered] = self._numbers[ids[numbered]]
        return renumbered

    def batch(self, batch: ContextualMiniBatch) -> ContextualMiniBatch:
        """A batch as learners see it: contexts NaN where they are not shown, and no labels that depend on them."""
        if self.whole:
            return batch
        nothing: dict[str, Any] = dict.fromkeys(OPTIONAL_ARRAYS)
        return dataclasses.replace(
            batch,
            contexts=np.full_like(batch.contexts, np.nan),
            context_ids=self.ids(batch.context_ids),
            context_space=self.space,
            history=None if batch.history is None else dataclasses.replace(batch.history, **nothing),
            **nothing,
        )


@final
class VisibleTable:
    """The columns of a table without what its buffer does not tell: contexts are NaN, ids anonymous or -1, labels are absent.

    Args:
        table: all columns.
        disclosure: what is told.
    """

    def __init__(self, table: TransitionTable, disclosure: Disclosure) -> None:
        self._table, self._disclosure = table, disclosure

    @property
    def size(self) -> int:
        """How many rows there are, N."""
        return self._table.size

    @property
    def first(self) -> int:
        """How many older rows have been overwritten."""
        return self._table.first

    def __getitem__(self, name: str) -> Array:
        """A column (N, ...), oldest row first."""
        return self._shown(name, self._table[name])

    def take(self, name: str, indices: Array) -> Array:
        """One column of the given rows (B,), as a copy (B, ...)."""
        return self._shown(name, self._table.take(name, indices))

    def span(self, name: str, start: int, stop: int) -> Array:
        """One column from row `start` up to `stop`."""
        return self._shown(name, self._table.span(name, start, stop))

    def _shown(self, name: str, column: Array) -> Array:
        if name in OPTIONAL_ARRAYS:
            raise DatasetError(f'this buffer does not show {name}: it was made with context="{self._disclosure.level}"')
        if name == "contexts":
            return np.full_like(column, np.nan)
        return self._disclosure.ids(column) if name == "context_ids" else column


def _nameless(size: int) -> ContextSpace:
    """A context space that tells the number of coordinates and nothing else."""
    return ContextSpace([f"hidden_{k}" for k in range(size)], -np.inf, np.inf, np.zeros(size))
