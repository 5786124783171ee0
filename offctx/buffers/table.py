"""Named columns of transitions, stored so that drawing a batch is one gather.

Dimensions: N rows, B batch.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from offctx.data.storage.scratch import Allocate, in_memory
from offctx.envs.base import Array
from offctx.errors import DatasetError

_BLOCK = 1 << 16  # rows that are copied at once


class ReadableTable(Protocol):
    """Columns of transitions as samplers and learners read them. Row numbers count from the oldest row that is kept."""

    @property
    def size(self) -> int:
        """How many rows there are, N."""

    @property
    def first(self) -> int:
        """How many older rows have been overwritten."""

    def __getitem__(self, name: str) -> Array:
        """A column (N, ...), oldest row first."""

    def take(self, name: str, indices: Array) -> Array:
        """One column of the given rows (B,), as a copy (B, ...)."""

    def span(self, name: str, start: int, stop: int) -> Array:
        """One column from row `start` up to `stop`."""


class Column(Protocol):
    """What a column of a table is made from, some rows at a time: an array (N, ...), or a `ComputedColumn`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of all rows."""

    def __getitem__(self, rows: slice, /) -> Array:
        """The rows begin to end."""


@dataclass(frozen=True)
class ComputedColumn:
    """A column whose rows are computed when they are asked for.

    Attributes:
        shape: of all rows (N, ...).
        rows: from begin and end to the rows in between.
    """

    shape: tuple[int, ...]
    rows: Callable[[int, int], Array]

    def __getitem__(self, rows: slice, /) -> Array:
        return self.rows(rows.start, rows.stop)


class TransitionTable:
    """Named columns of equal length. They grow by doubling; or up to a capacity, and then the oldest rows are overwritten.

    All float columns are side by side in one matrix, so that a batch is one gather; a column is a view of it. Row numbers
    count from the oldest row that is kept. With a capacity, memory is reserved once and used as a ring.

    Args:
        floats: columns (N, ...), stored as float32; "rewards" is one of them.
        integers: columns (N,).
        capacity: the largest number of rows; None for no limit.
        allocate: makes the arrays of the table, in memory or in files.

    Attributes:
        size: how many rows there are, N.
        first: how many older rows have been overwritten.

    Raises:
        DatasetError: there are more rows than the capacity.
    """

    def __init__(
        self,
        floats: Mapping[str, Column],
        integers: dict[str, Array],
        capacity: int | None = None,
        *,
        allocate: Allocate = in_memory,
    ) -> None:
        self.size, self.first = floats["rewards"].shape[0], 0
        if capacity is not None and self.size > capacity:
            raise DatasetError(f"{self.size} transitions do not fit a capacity of {capacity}")
        self._shapes = {name: column.shape[1:] for name, column in floats.items()}
        ends = np.cumsum([int(np.prod(shape)) for shape in self._shapes.values()])
        self._slices = {
            name: slice(end - int(np.prod(shape)), end)
            for (name, shape), end in zip(self._shapes.items(), ends.tolist(), strict=True)
        }
        self._allocate = allocate
        self._matrix = allocate((self.size if capacity is None else capacity, int(ends[-1])), np.float32)
        for begin in range(0, self.size, _BLOCK):
            rows = slice(begin, min(begin + _BLOCK, self.size))
            for name, part in self._slices.items():
                self._matrix[rows, part] = floats[name][rows].reshape(rows.stop - rows.start, part.stop - part.start)
        self._integers = integers
        self._capacity = capacity
        if capacity is not None:
            self._integers = {name: self._lengthened(column, capacity) for name, column in integers.items()}

    @property
    def capacity(self) -> int | None:
        """The largest number of rows; None where there is no limit."""
        return self._capacity

    def __getitem__(self, name: str) -> Array:
        """A column (N, ...), oldest row first: a view, or a copy once rows have been overwritten."""
        if self.first:
            return self.take(name, np.arange(self.size))
        if name in self._integers:
            return self._integers[name][: self.size]
        return self._matrix[: self.size, self._slices[name]].reshape(self.size, *self._shapes[name])

    def take(self, name: str, indices: Array) -> Array:
        """One column of the given rows (B,), as a copy (B, ...)."""
        positions = self._positions(indices)
        if name in self._integers:
            return self._integers[name][positions]
        return self._matrix[positions, self._slices[name]].reshape(len(positions), *self._shapes[name])

    def span(self, name: str, start: int, stop: int) -> Array:
        """One column from row `start` up to `stop`: a view; or a copy with a capacity, as rows may be overwritten later."""
        return self[name][start:stop] if self._capacity is None else self.take(name, np.arange(start, stop))

    def rows(self, indices: Array) -> dict[str, Array]:
        """All float columns of the given rows (B,), each (B, ...)."""
        picked = self._matrix.take(self._positions(indices), axis=0)
        return {
            name: picked[:, part] if len(self._shapes[name]) == 1 else picked[:, part].reshape(-1, *self._shapes[name])
            for name, part in self._slices.items()
        }

    def columns(self, names: Sequence[str], indices: Array) -> dict[str, Array]:
        """Some float columns of the given rows (B,), each (B, ...): one gather of what lies from the first to the last."""
        parts = [self._slices[name] for name in names]
        begin, end = min(part.start for part in parts), max(part.stop for part in parts)
        between = torch.from_numpy(self._matrix)[:, begin:end]  # NumPy is slower at parts of rows
        picked = between.index_select(0, torch.from_numpy(self._positions(indices))).numpy()
        return {
            name: picked[:, part.start - begin : part.stop - begin].reshape(len(picked), *self._shapes[name])
            for name, part in zip(names, parts, strict=True)
        }

    def append(self, **rows: Array) -> None:
        """Adds one or more rows; float columns that are not given become NaN."""
        count = len(rows["rewards"])
        end = self.first + self.size + count
        if self._capacity is None and end > len(self._matrix):
            self._reserve(max(2 * len(self._matrix), end))
        kept = count if self._capacity is None else min(count, self._capacity)
        self.first = end - min(self.size + count, len(self._matrix))
        self.size = end - self.first
        positions = self._positions(np.arange(self.size - kept, self.size))
        for name, part in self._slices.items():
            self._matrix[positions, part] = rows[name][count - kept :].reshape(kept, -1) if name in rows else np.nan
        for name, column in self._integers.items():
            column[positions] = rows[name][count - kept :]

    def amend(self, indices: Array, **values: Array) -> None:
        """Replaces the values of the given rows (B,) in some float columns; the values are (B, ...)."""
        positions = self._positions(indices)
        for name, value in values.items():
            self._matrix[positions, self._slices[name]] = value.reshape(len(positions), math.prod(value.shape[1:]))

    def amend_last(self, **values: Array) -> None:
        """Replaces the values of the newest row in some float columns."""
        self.amend(np.array([self.size - 1]), **{name: value[None] for name, value in values.items()})

    def state(self) -> dict[str, Array]:
        """All rows, as they are in memory, and how many there are and were."""
        used = min(self.first + self.size, len(self._matrix))
        numbers = {name: column[:used] for name, column in self._integers.items()}
        return {"floats": self._matrix[:used], "counts": np.array([self.first, self.size])} | numbers

    def restore(self, state: dict[str, Array]) -> None:
        """Makes a table of the same columns and capacity what it was when `state` was called.

        Raises:
            ValueError: the columns are others.
        """
        floats, (self.first, self.size) = state["floats"], (int(count) for count in state["counts"])
        if len(floats) > len(self._matrix):
            self._reserve(len(floats))
        self._matrix[: len(floats)] = floats
        for name, column in self._integers.items():
            column[: len(floats)] = state[name]

    def _positions(self, indices: Array) -> Array:
        """Where rows are in memory."""
        return (np.asarray(indices) + self.first) % len(self._matrix) if self.first else np.asarray(indices)

    def _reserve(self, length: int) -> None:
        self._matrix = self._lengthened(self._matrix, length)
        self._integers = {name: self._lengthened(column, length) for name, column in self._integers.items()}

    def _lengthened(self, column: Array, length: int) -> Array:
        longer = self._allocate((length, *column.shape[1:]), column.dtype)
        longer[: self.size] = column[: self.size]
        return longer
