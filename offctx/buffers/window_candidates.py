"""The transitions that may stand in a window, numbered in order of time.

Dimensions: G windows, m rows that share one, K slots.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from offctx.buffers.stretches import Stretches
from offctx.envs.base import Array


@dataclass(frozen=True)
class Candidates:
    """The candidates of each window, numbered from 0 (the oldest).

    Attributes:
        sizes: how many there are (G,).
        ends: how many of them stand before the window's first row (G,), that row included where it may stand in its window:
            where the window "last" ends.
        rows: from numbers of candidates (G, K) to their rows (G, K).
    """

    sizes: Array
    ends: Array
    rows: Callable[[Array], Array]


def past_of_episode(stretches: Stretches, rows: Array, include_row: bool = False) -> Candidates:
    """What precedes the rows (G, m) of a window, all of one stretch, in their episode; the first of them too where asked."""
    owners = stretches.of(rows[:, 0])
    starts, strides = stretches.starts[owners], stretches.strides[owners]
    sizes = (rows.min(axis=1) - starts) // strides + include_row
    return Candidates(sizes, sizes, lambda numbers: starts[:, None] + numbers * strides[:, None])


def others_of_context(stretches: Stretches, rows: Array, include_row: bool = False) -> Candidates:
    """The sequence of the rows' context, without what follows each row (G, m) of a window in its episode, and without them.

    With `include_row`, a row is left out only where it follows another row of its window.
    """
    owners = stretches.of(rows.ravel()).reshape(rows.shape)
    places = stretches.places[owners] + (rows - stretches.starts[owners]) // stretches.strides[owners] + include_row
    starts, stops = stretches.sequence_starts[owners[:, 0]], stretches.sequence_stops[owners[:, 0]]
    begins, lengths = _without_overlap(places, stretches.places[owners] + stretches.counts[owners])
    free = begins - starts[:, None] - (np.cumsum(lengths, axis=1) - lengths)  # candidates before each of the spans
    before = np.clip(places[:, :1] - begins, 0, lengths).sum(axis=1)  # what the spans take before the first row

    def rows_of(numbers: Array) -> Array:
        places = starts[:, None] + numbers
        for k in range(rows.shape[1]):  # over the rows that share a window
            places += (numbers >= free[:, k, None]) * lengths[:, k, None]
        # Where a window has no candidate, the number in a slot means nothing, and must still be a place.
        return stretches.row_at(np.minimum(places, stops[:, None] - 1))

    return Candidates(stops - starts - lengths.sum(axis=1), places[:, 0] - starts - before, rows_of)


def _without_overlap(begins: Array, ends: Array) -> tuple[Array, Array]:
    """Spans [begin, end) of each window (G, m) in ascending order, cut so that none overlaps another: begins and lengths."""
    order = np.argsort(begins, axis=1)
    begins, ends = np.take_along_axis(begins, order, axis=1), np.take_along_axis(ends, order, axis=1)
    reached = np.maximum.accumulate(ends, axis=1)
    begins[:, 1:] = np.maximum(begins[:, 1:], reached[:, :-1])
    return begins, np.maximum(ends - begins, 0)
