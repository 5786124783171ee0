"""Named columns of transitions, laid out so that drawing a batch is one gather.

Dimensions: N rows, B batch.
"""

import numpy as np

from offctx.envs.base import Array


class Table:
    """Named columns of equal length that grow by doubling.

    All float columns lie side by side in one matrix, so that a batch is one gather; a column is a view of it.
    """

    def __init__(self, floats: dict[str, Array], integers: dict[str, Array]) -> None:
        self.size = len(floats["rewards"])
        self._shapes = {name: column.shape[1:] for name, column in floats.items()}
        ends = np.cumsum([int(np.prod(shape)) for shape in self._shapes.values()])
        self._slices = {
            name: slice(end - int(np.prod(shape)), end)
            for (name, shape), end in zip(self._shapes.items(), ends.tolist(), strict=True)
        }
        self._matrix = np.concatenate([column.reshape(self.size, -1) for column in floats.values()], axis=1, dtype=np.float32)
        self._integers = integers

    def __getitem__(self, name: str) -> Array:
        if name in self._integers:
            return self._integers[name][: self.size]
        return self._matrix[: self.size, self._slices[name]].reshape(self.size, *self._shapes[name])

    def rows(self, indices: Array) -> dict[str, Array]:
        """All float columns of the given rows (B,), each (B, ...)."""
        picked = self._matrix.take(indices, axis=0)
        return {
            name: picked[:, part] if len(self._shapes[name]) == 1 else picked[:, part].reshape(-1, *self._shapes[name])
            for name, part in self._slices.items()
        }

    def append(self, **rows: Array) -> None:
        """Add one or more rows; float columns that are not given become NaN."""
        count = len(rows["rewards"])
        end = self.size + count
        if end > len(self._matrix):
            self._matrix = _grown(self._matrix, self.size, end)
            self._integers = {name: _grown(column, self.size, end) for name, column in self._integers.items()}
        for name, part in self._slices.items():
            self._matrix[self.size : end, part] = rows[name].reshape(count, -1) if name in rows else np.nan
        for name, column in self._integers.items():
            column[self.size : end] = rows[name]
        self.size = end


def _grown(column: Array, size: int, least: int) -> Array:
    grown = np.empty((max(2 * len(column), least), *column.shape[1:]), column.dtype)
    grown[:size] = column[:size]
    return grown
