"""Stretches: the rows of one episode in one context, and where they stand among all rows of that context.

The index is kept up to date when rows are appended or overwritten: the work is that of the new rows, and of one sort of the
stretches where a new one begins. A row number counts from the oldest row that is kept.

Dimensions: N rows, n of them new, S stretches, B any number of rows.
"""

import numpy as np

from offctx.buffers.episode_index import EpisodeIndex
from offctx.envs.base import Array

_BLOCK = 1 << 18  # rows that are read at once
_ROWS = np.int64(1) << 40  # more rows than there ever are: an episode and a row make one number


class Stretches:
    """The stretches of a table. The rows of one are `starts`, `starts + strides`, ..., `counts` of them.

    All rows of a context, stretch after stretch in the order in which their episodes began, are its sequence. That order stays
    when first rows are overwritten. The sequences of all contexts one after the other number the places 0 to N - 1. An episode
    of an unknown context is a context of its own.

    Args:
        episodes: of a buffer. An episode has one context; where it has several, each run of rows in one is a stretch.

    Attributes:
        starts: the first row of each stretch that is kept (S,).
        strides: the distance between two successive rows of it (S,).
        counts: how many rows it has (S,).
        places: the place of its first row (S,).
        sequence_starts: the first place of its context's sequence (S,).
        sequence_stops: one past the last place of that sequence (S,).
    """

    def __init__(self, episodes: EpisodeIndex) -> None:
        self._episodes, self._table = episodes, episodes.table
        # Of each stretch: its first row, counted from the first row that there ever was; episode; stride; context id, or
        # -1 - episode where that is unknown.
        self._lines = np.zeros((0, 4), dtype=np.int64)
        self._read = 0  # rows that were read, counted likewise
        self._state = (-1, -1)
        self._order: Array = np.zeros(0, dtype=np.int64)  # stretches by context
        self._changed = False  # whether stretches came or went since they were put in order
        self._row_at: Array | None = None  # the row at every place, once that is worth its making
        self._asked = 0  # places that were asked for since rows were appended
        self.refresh()

    def refresh(self) -> None:
        """Reads the rows that were appended, and forgets those that were overwritten, since the last call."""
        first, size = self._table.first, self._table.size
        if self._state == (first, size):
            return
        if not first <= self._read <= first + size:  # rows came and went unread, or the table is another one now
            self._lines, self._read, self._changed = self._lines[:0], first, True
        for begin in range(self._read - first, size, _BLOCK):
            self._append(np.arange(begin, min(begin + _BLOCK, size)))
        self._read, self._state, self._row_at, self._asked = first + size, (first, size), None, 0
        self._place(first)

    def of(self, rows: Array) -> Array:
        """The stretch of each of the given rows (B,)."""
        codes = self._table.take("episode", rows) * _ROWS + rows + self._table.first
        return np.asarray(np.searchsorted(self._codes, codes, side="right") - 1)

    def row_at(self, places: Array) -> Array:
        """The row at each place; any shape."""
        self._asked += places.size
        if self._row_at is None and self._asked >= self._table.size:
            self._row_at = self._rows_of(np.repeat(self._order, self.counts[self._order]), np.arange(self._table.size))
        if self._row_at is not None:
            return np.asarray(self._row_at[places])
        owners = self._order[np.searchsorted(self.places[self._order], places.ravel(), side="right") - 1]
        return self._rows_of(owners, places.ravel()).reshape(places.shape)

    def _rows_of(self, owners: Array, places: Array) -> Array:
        """The row at each place (B,), where its stretch is known."""
        return np.asarray(self.starts[owners] + (places - self.places[owners]) * self.strides[owners])

    def _append(self, rows: Array) -> None:
        """Reads the given new rows (n,)."""
        if not len(rows):
            return
        numbers, ids = self._table.take("episode", rows), self._table.take("context_ids", rows)
        strides = self._episodes.strides_of(rows)
        begins = self._episodes.steps_before(rows) == 0
        later = np.flatnonzero(~begins)
        begins[later] = self._table.take("context_ids", rows[later] - strides[later]) != ids[later]
        new = np.flatnonzero(begins)
        if len(new):
            keys = np.where(ids < 0, -1 - numbers, ids)
            lines = np.stack([rows[new] + self._table.first, numbers[new], strides[new], keys[new]], axis=1)
            lines = np.concatenate([self._lines, lines.astype(np.int64)])
            self._lines, self._changed = lines[np.lexsort((lines[:, 0], lines[:, 1]))], True

    def _place(self, first: int) -> None:
        """Computes all that is known of stretches, and puts those of each context side by side."""
        lasts = self._lasts()
        if (lasts < 0).any():
            self._lines, lasts, self._changed = self._lines[lasts >= 0], lasts[lasts >= 0], True
        starts, numbers, self.strides, keys = self._lines.T
        self._codes = numbers * _ROWS + starts
        skipped = -(np.minimum(starts - first, 0) // self.strides)  # steps that have been overwritten, rounded up
        self.starts = starts - first + skipped * self.strides
        self.counts = (lasts - self.starts) // self.strides + 1
        if self._changed:
            self._order, self._changed = np.argsort(keys, kind="stable"), False  # lines are in the order of episodes
        order, counts = self._order, self.counts[self._order]
        places = np.cumsum(counts) - counts
        _, begins, sizes = np.unique(keys[order], return_index=True, return_counts=True)
        sequence_starts = places[begins]
        sequence_stops = np.append(sequence_starts[1:], self._table.size)[: len(begins)]
        self.places, self.sequence_starts, self.sequence_stops = (np.empty(len(order), dtype=np.int64) for _ in range(3))
        self.places[order] = places
        self.sequence_starts[order], self.sequence_stops[order] = (
            np.repeat(sequence_starts, sizes),
            np.repeat(sequence_stops, sizes),
        )

    def _lasts(self) -> Array:
        """The last row of each stretch (S,); negative where it has been overwritten."""
        starts, numbers, strides, _ = self._lines.T
        relative = numbers - self._episodes.overwritten
        lasts: Array = np.full(len(starts), -1)
        kept = relative >= 0
        lasts[kept] = self._episodes.lasts[relative[kept]]
        ends = np.flatnonzero(numbers[1:] == numbers[:-1])  # the context changes within the episode
        lasts[ends] = starts[ends + 1] - strides[ends] - self._table.first
        return lasts
