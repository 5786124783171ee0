"""Which rows of a table belong to which episode.

The rows of an episode are `start`, `start + stride`, `start + 2 stride`, ... A dataset's episodes have stride 1. Episodes that
n environments play side by side have stride n, as each time step of all of them is n rows of the table.

Dimensions: N rows, E episodes, B batch, n environments side by side.
"""

from collections.abc import Sequence

import numpy as np

from offctx.buffers.table import TransitionTable
from offctx.envs.base import Array

_START, _LAST, _STRIDE = range(3)  # what the columns of the bounds are


class EpisodeIndex:
    """The episodes of a table, oldest first, kept up to date when rows are appended.

    Row numbers count from the oldest row that is kept, and episode numbers from the oldest episode of which a row is kept.
    What is left of an episode whose first rows have been overwritten still counts as an episode.

    Args:
        table: its column "episode" holds the number of each row's episode, counted from the first episode that there ever was.
        starts: the first row of each episode (E,), which has all rows up to the first one of the next.
    """

    def __init__(self, table: TransitionTable, starts: Sequence[int]) -> None:
        self.table = table
        ends = [*starts[1:], table.size][: len(starts)]
        # First row, last row and stride of each episode, where rows count from the first one that there ever was.
        self._bounds = np.array([*zip(starts, np.array(ends) - 1, np.ones(len(starts)), strict=True)], np.int64).reshape(-1, 3)
        self._left_out_rewards = np.zeros(len(starts))
        self._given = table.size  # rows of episodes that had ended when the index was made
        self._count = len(starts)  # how many episodes there ever were
        self._overwritten = 0  # how many older episodes have been overwritten as a whole
        self._dropped = 0  # how many episodes have no line in `_bounds` any more

    def __len__(self) -> int:
        return int(np.count_nonzero(self._column(_LAST) >= self.table.first))

    @property
    def starts(self) -> Array:
        """The first row of each episode (E,); negative where the first rows of an episode have been overwritten."""
        return self._column(_START) - self.table.first

    @property
    def lasts(self) -> Array:
        """The last row of each episode (E,); negative where all rows of an episode have been overwritten."""
        return self._column(_LAST) - self.table.first

    @property
    def strides(self) -> Array:
        """The distance between two successive rows of each episode (E,)."""
        return self._column(_STRIDE)

    @property
    def overwritten(self) -> int:
        """The number of the oldest episode, in the column "episode" of the table, of which a row may be kept."""
        return self._overwritten

    @property
    def left_out_rewards(self) -> Array:
        """The reward of the step after an episode's last row (E,), 0 where there is none.

        A step whose next observation is unknown has no row. Its reward still counts in returns-to-go.
        """
        return self._left_out_rewards[self._overwritten - self._dropped : self._count - self._dropped]

    def rows(self, episode: int) -> Array:
        """The rows of an episode that are kept, in order of time (T,)."""
        start, last, stride = (int(bound) for bound in self._line(episode))
        skipped = -(min(start - self.table.first, 0) // stride)  # steps that have been overwritten, rounded up
        return np.arange(start - self.table.first + skipped * stride, last - self.table.first + 1, stride)

    def of(self, rows: Array) -> Array:
        """The episode of each of the given rows (B,)."""
        return self.table.take("episode", rows) - self._overwritten

    def strides_of(self, rows: Array) -> Array:
        """The stride of the episode of each of the given rows (B,): k steps later, an episode is at row + k stride."""
        return np.asarray(self.strides[self.of(rows)])

    def steps_before(self, rows: Array) -> Array:
        """How many steps before each of the given rows (B,) its episode has that are kept (B,)."""
        episodes = self.of(rows)
        return np.asarray((rows - np.maximum(self.starts[episodes], 0)) // self.strides[episodes])

    def steps_after(self, rows: Array) -> Array:
        """How many steps after each of the given rows (B,) its episode has (B,)."""
        episodes = self.of(rows)
        return np.asarray((self.lasts[episodes] - rows) // self.strides[episodes])

    def reach_an_end(self, rows: Array, steps: Array) -> Array:
        """Whether transitions of some steps (B,) that begin in the given rows (B,) are the last ones of episodes that ended.

        Of rows that were appended, those of the newest time step count as steps of episodes that go on.
        """
        episodes = self.of(rows)
        lasts, strides = self.lasts[episodes], self.strides[episodes]
        newest = (lasts >= self.table.size - strides) & (lasts + self.table.first >= self._given)
        return np.asarray((rows + steps * strides > lasts) & ~newest)

    def begin(self) -> None:
        """Begins a new episode of stride 1: rows that are appended from now on belong to it."""
        self._begin(1, 1)

    def append(self, **rows: Array) -> None:
        """Appends rows to the newest episode; the columns are those of `TransitionTable.append` but "episode"."""
        count = len(rows["rewards"])
        self.table.append(episode=np.full(count, self._count - 1), **rows)
        self._bounds[self._count - self._dropped - 1, _LAST] += count
        self._forget_overwritten()

    def append_side_by_side(self, episodes: Array, begins: Array, **rows: Array) -> Array:
        """Appends one time step of n episodes that are played side by side, one row each.

        Every time step of the same n environments has to follow the one before it without other rows between them, or all
        episodes have to begin anew.

        Args:
            episodes: what this method returned for the time step before (n,); any numbers where `begins` is True.
            begins: which of the rows begin a new episode, booleans (n,).
            rows: the columns of `TransitionTable.append` but "episode", n rows each.

        Returns:
            The number of each row's episode (n,), counted from the first episode that there ever was.
        """
        n = len(begins)
        lanes, begun = np.flatnonzero(begins), self._count
        self._begin(len(lanes), n)
        numbers = np.array(episodes, dtype=np.int64)
        numbers[lanes] = begun + np.arange(len(lanes))
        lines, first_row = numbers - self._dropped, self.table.first + self.table.size
        self._bounds[lines[lanes], _START] = first_row + lanes
        self._bounds[lines, _LAST] = first_row + np.arange(n)
        self.table.append(episode=numbers, **rows)
        self._forget_overwritten()
        return numbers

    def leave_out(self, rewards: float) -> None:
        """Records the reward that the newest episode brought after its last row."""
        self._left_out_rewards[self._count - self._dropped - 1] = rewards

    def state(self) -> dict[str, Array]:
        """All that is known of episodes, as arrays."""
        counts = np.array([self._count, self._overwritten, self._dropped])
        return {"bounds": self._bounds, "left_out_rewards": self._left_out_rewards, "counts": counts}

    def restore(self, state: dict[str, Array]) -> None:
        """Knows what was known when `state` was called, and nothing else."""
        self._bounds, self._left_out_rewards = np.array(state["bounds"]), np.array(state["left_out_rewards"])
        self._count, self._overwritten, self._dropped = (int(count) for count in state["counts"])

    def _column(self, which: int) -> Array:
        """A column of the bounds of the episodes of which a row is kept (E,)."""
        return self._bounds[self._overwritten - self._dropped : self._count - self._dropped, which]

    def _line(self, episode: int) -> Array:
        """The bounds of one episode (3,)."""
        return np.asarray(self._bounds[self._overwritten - self._dropped + episode])

    def _begin(self, count: int, stride: int) -> None:
        """Adds episodes without rows, whose first row will be the next one."""
        begin = self._count - self._dropped
        if begin + count > len(self._bounds):
            self._make_room(count)
            begin = self._count - self._dropped
        row = self.table.first + self.table.size
        self._bounds[begin : begin + count] = (row, row - 1, stride)
        self._left_out_rewards[begin : begin + count] = 0
        self._count += count

    def _make_room(self, count: int) -> None:
        """Drops the lines of overwritten episodes, and doubles the arrays where that is not enough."""
        used = slice(self._overwritten - self._dropped, self._count - self._dropped)
        bounds, left_out = self._bounds[used].copy(), self._left_out_rewards[used].copy()
        length = 2 * (len(bounds) + count)
        self._dropped = self._overwritten
        self._bounds, self._left_out_rewards = np.zeros((length, 3), np.int64), np.zeros(length)
        self._bounds[: len(bounds)], self._left_out_rewards[: len(bounds)] = bounds, left_out

    def _forget_overwritten(self) -> None:
        """Counts the oldest episodes of which no row is kept."""
        while self._overwritten < self._count and self._line(0)[_LAST] < self.table.first:
            self._overwritten += 1
