"""Which rows of a table belong to which episode.

Dimensions: N rows, E episodes, B batch.
"""

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np

from offctx.buffers.table import TransitionTable
from offctx.envs.base import Array


class EpisodeIndex:
    """The episodes of a table as ranges of its rows, oldest first, kept up to date when rows are appended.

    Row numbers count from the oldest row that is kept, and episode numbers from the oldest episode of which a row is kept.
    What is left of an episode whose first rows have been overwritten still counts as an episode.

    Args:
        table: its column "episode" holds the number of each row's episode, counted from the first episode that there ever was.
        starts: the first row of each episode (E,).
    """

    def __init__(self, table: TransitionTable, starts: Sequence[int]) -> None:
        self.table = table
        self._starts = list(starts)  # counted from the first row that there ever was
        self._left_out_rewards = [0.0] * len(self._starts)
        self._overwritten = 0  # how many older episodes have been overwritten as a whole

    def __len__(self) -> int:
        return len(self._starts)

    @property
    def starts(self) -> Array:
        """The first row of each episode (E,); negative where the first rows of an episode have been overwritten."""
        return np.asarray(self._starts, dtype=np.int64) - self.table.first

    @property
    def stops(self) -> Array:
        """One past the last row of each episode (E,)."""
        return np.asarray([*self._starts, self.table.first + self.table.size])[1:] - self.table.first

    @property
    def left_out_rewards(self) -> Sequence[float]:
        """The reward of the step after an episode's last row (E,), 0 where there is none.

        A step whose next observation is unknown has no row. Its reward still counts in returns-to-go.
        """
        return self._left_out_rewards

    def bounds(self, episode: int) -> tuple[int, int]:
        """The first row of an episode that is kept, and one past its last row."""
        first, next_start = self.table.first, self._starts[episode + 1 : episode + 2]
        return max(self._starts[episode] - first, 0), next_start[0] - first if next_start else self.table.size

    def of(self, rows: Array) -> Array:
        """The episode of each of the given rows (B,)."""
        return self.table.take("episode", rows) - self._overwritten

    def begin(self) -> None:
        """Begins a new episode: rows that are appended from now on belong to it."""
        self._starts.append(self.table.first + self.table.size)
        self._left_out_rewards.append(0.0)

    def append(self, **rows: Array) -> None:
        """Appends rows to the newest episode; the columns are those of `TransitionTable.append` but "episode"."""
        number = self._overwritten + len(self._starts) - 1
        self.table.append(episode=np.full(len(rows["rewards"]), number), **rows)
        overwritten = bisect_right(self._starts, self.table.first) - 1
        if overwritten > 0:
            del self._starts[:overwritten], self._left_out_rewards[:overwritten]
            self._overwritten += overwritten

    def leave_out(self, rewards: float) -> None:
        """Records the reward that the newest episode brought after its last row."""
        self._left_out_rewards[-1] = rewards
