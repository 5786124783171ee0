"""Draws windows for rows: which rows share one, and which rows stand in it.

Dimensions: B rows, m of them share a window, G = B / m windows, K slots.
"""

import numpy as np

from offctx.buffers.episode_index import EpisodeIndex
from offctx.buffers.stretches import Stretches
from offctx.buffers.window_candidates import others_of_context, past_of_episode
from offctx.data.history.choice import choose
from offctx.data.history.settings import History
from offctx.envs.base import Array
from offctx.errors import DatasetError


class WindowSampler:
    """Draws the windows of rows.

    Args:
        history: the settings.
        episodes: of a buffer. Rows that are appended later are drawn too.
    """

    def __init__(self, history: History, episodes: EpisodeIndex) -> None:
        self.history = history
        self._stretches = Stretches(episodes)

    def leads(self, batch_size: int) -> int:
        """How many windows a batch has.

        Raises:
            DatasetError: the batch is no multiple of the rows that share a window.
        """
        windows, remainder = divmod(batch_size, self.history.rows_per_window)
        if remainder:
            raise DatasetError(
                f"expected a batch of a multiple of {self.history.rows_per_window} rows, as so many share a window "
                f"(rows_per_window); found {batch_size}"
            )
        return windows

    def with_companions(self, rows: Array, rng: np.random.Generator) -> Array:
        """The rows (G,) with those that share their windows: (B,), the m rows of each window side by side.

        The others are drawn with replacement from all rows of the same context; of the same episode for within="episode".
        """
        m = self.history.rows_per_window
        if m == 1:
            return rows
        self._stretches.refresh()
        owners, stretches = self._stretches.of(rows), self._stretches
        if self.history.within == "episode":
            steps = rng.integers(0, stretches.counts[owners][:, None], (len(rows), m - 1))
            others = stretches.starts[owners][:, None] + steps * stretches.strides[owners][:, None]
        else:
            starts, stops = stretches.sequence_starts[owners], stretches.sequence_stops[owners]
            others = stretches.row_at(rng.integers(starts[:, None], stops[:, None], (len(rows), m - 1)))
        return np.concatenate([rows[:, None], others], axis=1).ravel()

    def draw(self, rows: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        """The rows in each slot.

        Args:
            rows: the rows that share each window (G, m).
            rng: of random lengths, places, sets and orders.

        Returns:
            Rows (G, K), 0 in slots that are not filled, and which slots are filled, booleans (G, K).
        """
        self._stretches.refresh()
        candidates_of = past_of_episode if self.history.within == "episode" else others_of_context
        candidates = candidates_of(self._stretches, rows, self.history.include_row)
        numbers, mask = choose(self.history, candidates.sizes, candidates.ends, rng)
        return np.where(mask, candidates.rows(np.where(mask, numbers, 0)), 0), mask

    def same_in_each_window(self, labels: Array) -> bool:
        """Whether rows that may share a window always have the same label (N,)."""
        self._stretches.refresh()
        stretches = self._stretches
        starts = stretches.places if self.history.within == "episode" else stretches.sequence_starts
        owners = starts[stretches.of(np.arange(len(labels)))]
        order = np.argsort(owners, kind="stable")
        same = owners[order][1:] == owners[order][:-1]
        return self.history.rows_per_window == 1 or bool((labels[order][1:] == labels[order][:-1])[same].all())
