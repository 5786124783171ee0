"""The states of recurrent policies, kept by row: arrays or tensors, alone or in tuples, lists and dicts.

Dimensions: N rows, E rows of the whole batch.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from offctx.envs.base import Array
from offctx.errors import PolicyError


class RowStates:
    """A table of states with one entry for each row of a batch. Rows without an entry are fresh.

    Args:
        axis: the axis of every array of a state that counts the rows.
        hint: what an error about the shape of a state advises.
    """

    def __init__(self, axis: int, hint: str) -> None:
        self._axis, self._hint = axis, hint
        self._table: Any = None
        self._known = np.zeros(0, bool)

    def begin(self, forgotten: Array, size: int) -> None:
        """Forgets the states of some rows, and of all rows where the size E of the batch has changed."""
        if size != len(self._known):
            self._table, self._known = None, np.zeros(size, bool)
        self._known[forgotten] = False

    def step(self, rows: Array, function: Callable[[Array, Any], tuple[Array, Any]]) -> Array:
        """One time step of these rows (N,), fresh ones in a call of their own: a row never depends on which begin beside it.

        Args:
            rows: (N,).
            function: from a mask (N,) of rows and their states, or None where they are fresh, to their actions and next states.

        Returns:
            the actions (N, ...).

        Raises:
            PolicyError: an array of a state does not count the rows on the axis, or is no array.
        """
        known = self._known[rows]
        pieces = []
        for mask, fresh in ((known, False), (~known, True)):
            if mask.any():
                own = rows[mask]
                actions, after = function(mask, None if fresh else self._of(own))
                self._store(own, after)
                pieces.append((mask, np.asarray(actions)))
        if len(pieces) == 1:
            return pieces[0][1]
        joined = np.empty((len(rows), *pieces[0][1].shape[1:]), pieces[0][1].dtype)
        for mask, actions in pieces:
            joined[mask] = actions
        return joined

    def _of(self, rows: Array) -> Any:
        return _mapped(lambda leaf: leaf[self._place(rows)], self._table)

    def _store(self, rows: Array, state: Any) -> None:
        if self._table is None:
            self._table = _mapped(lambda leaf: self._empty(leaf, len(rows)), state)
        self._known[rows] = True
        _assign(self._table, state, self._place(rows), lambda leaf: self._check(leaf, len(rows)))

    def _place(self, rows: Array) -> tuple[Any, ...]:
        return (*(slice(None),) * self._axis, rows)

    def _check(self, leaf: Any, n: int) -> None:
        shape = getattr(leaf, "shape", None)
        if shape is None or len(shape) <= self._axis or shape[self._axis] != n:
            description = type(leaf).__name__ if shape is None else f"one of shape {tuple(shape)}"
            raise PolicyError(
                f"expected a state whose arrays have {n} rows on axis {self._axis}; found {description}; {self._hint}"
            )

    def _empty(self, leaf: Any, n: int) -> Any:
        self._check(leaf, n)
        shape = (*leaf.shape[: self._axis], len(self._known), *leaf.shape[self._axis + 1 :])
        return leaf.new_zeros(shape) if hasattr(leaf, "new_zeros") else np.zeros(shape, leaf.dtype)


def _mapped(function: Any, state: Any) -> Any:
    """The same structure, with the function applied to each array in it."""
    if isinstance(state, dict):
        return {name: _mapped(function, part) for name, part in state.items()}
    if isinstance(state, tuple) and hasattr(state, "_fields"):
        return type(state)(*(_mapped(function, part) for part in state))
    if isinstance(state, (tuple, list)):
        return type(state)(_mapped(function, part) for part in state)
    return function(state)


def _assign(table: Any, state: Any, place: tuple[Any, ...], check: Any) -> None:
    """Writes each array of the state into the one of the table."""
    if isinstance(table, dict):
        for name, part in table.items():
            _assign(part, state[name], place, check)
    elif isinstance(table, (tuple, list)):
        for part, new in zip(table, state, strict=True):
            _assign(part, new, place, check)
    else:
        check(state)
        table[place] = state
