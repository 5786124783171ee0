"""The history windows of a batch: gathered from a table, and changed by augmentations.

Dimensions: B rows, G windows, K slots, n filled slots of all windows.
"""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from offctx.buffers.augmentation import OPTIONAL_ARRAYS
from offctx.buffers.table import TransitionTable
from offctx.data.history.windows import SHOWN, HistoryWindows
from offctx.envs.base import Array

if TYPE_CHECKING:
    from offctx.buffers.batch import ContextualMiniBatch


def gather_windows(
    table: TransitionTable, rows: Array, mask: Array, batch_size: int, required: tuple[str, ...]
) -> HistoryWindows:
    """The windows whose slots hold the given rows.

    Args:
        table: of the buffer.
        rows: of each slot (G, K).
        mask: which slots are filled (G, K).
        batch_size: B; the rows of a batch that share a window stand side by side.
        required: further columns, for augmentations.
    """
    flat, empty = rows.ravel(), ~mask.ravel()
    columns = table.columns(SHOWN, flat) | {name: table.take(name, flat) for name in required}
    for column in columns.values():
        column[empty] = 0
    windows: dict[str, Any] = {name: column.reshape(*rows.shape, *column.shape[1:]) for name, column in columns.items()}
    return HistoryWindows(mask=mask, window_of_row=np.arange(batch_size) // (batch_size // max(len(rows), 1) or 1), **windows)


def change_windows(
    batch: "ContextualMiniBatch", change: Callable[["ContextualMiniBatch"], "ContextualMiniBatch"]
) -> HistoryWindows | None:
    """The windows of a batch with each filled slot changed as a transition.

    Args:
        batch: with windows, or without.
        change: from the transitions in the n filled slots of all windows, as one batch with the contexts and ids of the rows
            that the windows serve, to the changed ones. Their `next_actions`, `terminals` and `transitions` mean nothing.

    Returns:
        The changed windows, with their masks; None where the batch has none.
    """
    history = batch.history
    if history is None or not history.mask.any():
        return history
    mask = history.mask
    changed = change(slots_of(batch))
    windows: dict[str, Any] = {}
    for name in (*SHOWN, *OPTIONAL_ARRAYS):
        before, after = getattr(history, name), getattr(changed, name)
        if before is not None and after is not None:
            windows[name] = np.zeros(before.shape, before.dtype)
            windows[name][mask] = after
        elif after is None:
            windows[name] = None  # as of rows: a change may make a label invalid
    return dataclasses.replace(history, **windows)


def slots_of(batch: "ContextualMiniBatch") -> "ContextualMiniBatch":
    """The transitions in the n filled slots of a batch's windows, window by window, as one batch."""
    history = batch.history
    assert history is not None
    mask = history.mask
    owners = np.repeat(history.first_rows(), history.lengths)
    columns: dict[str, Any] = {name: getattr(history, name) for name in (*SHOWN, *OPTIONAL_ARRAYS)}
    slots: dict[str, Any] = {name: None if column is None else column[mask] for name, column in columns.items()}
    return dataclasses.replace(
        batch,
        **slots,
        next_actions=np.zeros_like(history.actions[mask]),
        terminals=np.zeros_like(history.rewards[mask]),
        intervals=np.ones_like(history.rewards[mask]),
        transitions=(),
        contexts=batch.contexts[owners],
        context_ids=batch.context_ids[owners],
        history=None,
    )


def for_each_window(batch: "ContextualMiniBatch", draw: Callable[[Array], Any]) -> Any:
    """What is drawn once for each window, for each row: rows that share a window share it.

    Args:
        batch: B rows.
        draw: from contexts (n, p) to an array (n, ...), or to a tuple of such.

    Returns:
        The arrays (B, ...).
    """
    if batch.history is None:
        return draw(batch.contexts)
    of_windows = draw(batch.contexts[batch.history.first_rows()])
    rows = batch.history.window_of_row
    return tuple(array[rows] for array in of_windows) if isinstance(of_windows, tuple) else of_windows[rows]
