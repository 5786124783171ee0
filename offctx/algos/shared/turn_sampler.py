"""The rows that each phase of PPPO needs."""

from collections.abc import Callable
from typing import final

import numpy as np

from offctx.algos.shared.context_index import ContextIndex
from offctx.algos.shared.schedule import Turn
from offctx.buffers.samplers import BalancedSampler, RowSampler, UniformSampler
from offctx.buffers.table import ReadableTable
from offctx.envs.base import Array
from offctx.errors import AlgorithmError


@final
class TurnSampler:
    """Evaluation: rows of the group whose turn it is. Improvement: rows of all groups.

    Args:
        turn: gives the turn of the next update; None before the networks are made, when d3rlpy draws one row for its shapes.
        index: from context ids to groups.
        balance: draw equally many rows of each context of the group.
        all_groups: draws from all groups.
    """

    def __init__(self, turn: Callable[[], Turn | None], index: ContextIndex, *, balance: bool, all_groups: RowSampler) -> None:
        self._turn, self._index, self._balance, self._all_groups = turn, index, balance, all_groups
        self._by_group: dict[int, RowSampler] = {}

    def draw(self, table: ReadableTable, batch_size: int, rng: np.random.Generator) -> Array:
        """Row indices (B,).

        Raises:
            AlgorithmError: there are no rows of the group whose turn it is.
        """
        turn = self._turn()
        if turn is None:
            return UniformSampler().draw(table, batch_size, rng)
        if turn.phase == "improvement":
            return self._all_groups.draw(table, batch_size, rng)
        if turn.group not in self._by_group:
            self._by_group[turn.group] = BalancedSampler(lambda rows: self._labels(rows, turn))
        return self._by_group[turn.group].draw(table, batch_size, rng)

    def _labels(self, table: ReadableTable, turn: Turn) -> Array:
        """Context ids, or 0 where contexts are not balanced, of the rows of one group; -1 of all others."""
        ids = table["context_ids"]
        own = (self._index.groups_of(np.maximum(ids, 0)) == turn.group) & (ids >= 0)
        if not own.any():
            raise AlgorithmError(f"{describe_turn(turn, self._index)}; this buffer holds no data of it")
        return np.where(own, ids if self._balance else 0, -1)


def describe_turn(turn: Turn, index: ContextIndex) -> str:
    """Whose turn it is, for messages."""
    return f"it is the turn of {index.describe_group(turn.group)} ({turn.phase} {turn.number})"
