"""Samplers: which rows of a buffer make up a batch.

A buffer asks its sampler for row indices and knows nothing else of how they are drawn. A sampler reads the table at every
draw, so that it stays right when rows are appended or overwritten.

Dimensions: N rows, B batch, L labels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, final

import numpy as np

from offctx.buffers.table import ReadableTable
from offctx.envs.base import Array
from offctx.errors import DatasetError


class RowSampler(Protocol):
    """Draws the rows of a batch; `ContextualReplayBuffer.with_sampler` takes one."""

    def draw(self, table: ReadableTable, batch_size: int, rng: np.random.Generator) -> Array:
        """Row indices (B,), integers from 0 (the oldest row that is kept) to N - 1, with replacement.

        Args:
            table: the transitions that there are now; at least one.
            batch_size: B.
            rng: the buffer's generator; the only source of randomness.
        """


@final
class UniformSampler:
    """Every row with the same probability."""

    def draw(self, table: ReadableTable, batch_size: int, rng: np.random.Generator) -> Array:
        """Row indices (B,)."""
        return rng.integers(table.size, size=batch_size)


@final
class BalancedSampler:
    """Equally many rows of each label, and uniformly within a label.

    A batch has B // L rows of each label, label after label in ascending order. What is left over goes to labels drawn at
    random and comes last. So batches whose size is a multiple of L all have the same arrangement.

    Args:
        labels: gives the labels of a table's rows, integers (N,). Rows with a negative label are never drawn. It is called at
            the first draw, and again whenever rows were appended or overwritten since.

    Example::

        sampler = BalancedSampler(lambda table: table["context_ids"])
        balanced = buffer.with_sampler(sampler)
    """

    def __init__(self, labels: Callable[[ReadableTable], Array]) -> None:
        self._labels = labels
        self._rows_by_label: _RowsByLabel | None = None
        self._drawn_from: tuple[ReadableTable | None, int, int] = (None, -1, -1)  # the table, its rows overwritten, its rows

    def draw(self, table: ReadableTable, batch_size: int, rng: np.random.Generator) -> Array:
        """Row indices (B,).

        Raises:
            DatasetError: no row has a label >= 0.
        """
        seen, first, size = self._drawn_from
        if self._rows_by_label is None or seen is not table or (first, size) != (table.first, table.size):
            self._rows_by_label = _RowsByLabel.of(self._labels(table))
            self._drawn_from = (table, table.first, table.size)
        return self._rows_by_label.draw(batch_size, rng)


@final
class LabelsOfRows:
    """Given labels of the rows that a table holds now. Rows that are appended later get label -1.

    Args:
        labels: integers (N,).
        table: whose rows they are.

    Raises:
        DatasetError: not one integer for each row, or none that is >= 0.
    """

    def __init__(self, labels: Array, table: ReadableTable) -> None:
        labels = np.array(labels)
        if labels.shape != (table.size,) or not np.issubdtype(labels.dtype, np.integer):
            raise DatasetError(
                f"expected one whole number per transition, ({table.size},); found {labels.dtype} {labels.shape}"
            )
        if not (labels >= 0).any():
            raise DatasetError("expected at least one transition with a label >= 0; found none")
        self._labels, self._first = labels, table.first

    def __call__(self, table: ReadableTable) -> Array:
        """The labels of the rows that a table holds by now (N,)."""
        kept = self._labels[table.first - self._first :]
        if table.size == len(kept):
            return kept
        return np.concatenate([kept, np.full(table.size - len(kept), -1, kept.dtype)])


@dataclass(frozen=True)
class _RowsByLabel:
    """Rows sorted by label.

    Attributes:
        rows: all rows with a label >= 0, those of one label side by side.
        starts: where the rows of each label begin (L,).
        counts: how many rows each label has (L,).
    """

    rows: Array
    starts: Array
    counts: Array

    @classmethod
    def of(cls, labels: Array) -> "_RowsByLabel":
        rows = np.argsort(labels, kind="stable")[np.count_nonzero(labels < 0) :]
        if not len(rows):
            raise DatasetError("expected at least one transition with a label >= 0; none is left in the buffer")
        _, starts, counts = np.unique(labels[rows], return_index=True, return_counts=True)
        return cls(rows, starts, counts)

    def draw(self, batch_size: int, rng: np.random.Generator) -> Array:
        size = len(self.counts)
        repeats, remainder = divmod(batch_size, size)
        chosen = np.concatenate([np.repeat(np.arange(size), repeats), rng.permutation(size)[:remainder]])
        return np.asarray(self.rows[self.starts[chosen] + rng.integers(self.counts[chosen])])
