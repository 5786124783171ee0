"""A batch with all that the buffer has of some rows: its transitions, steps of several ones, and its windows.

Dimensions: B batch, m rows that share a window.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from d3rlpy.dataset import Transition

from offctx.buffers.augmentation import OPTIONAL_ARRAYS
from offctx.buffers.batch import ContextualMiniBatch
from offctx.buffers.episode_index import EpisodeIndex
from offctx.buffers.multi_step import MultiStep
from offctx.buffers.views import TransitionSequence
from offctx.buffers.window_sampler import WindowSampler
from offctx.buffers.windows import gather_windows
from offctx.contexts.space import ContextSpace
from offctx.envs.base import Array
from offctx.envs.policies import ContextMode


def gather_batch(
    episodes: EpisodeIndex,
    indices: Array,
    rows_per_window: int,
    *,
    transition: Callable[[int], Transition],
    space: ContextSpace,
    context: ContextMode,
    multi_step: MultiStep | None,
    truncations_are_terminal: bool,
    windows: WindowSampler | None,
    required: tuple[str, ...],
    rng: np.random.Generator,
) -> ContextualMiniBatch:
    """The transitions that begin in some rows, with contexts, ids and labels.

    Args:
        episodes: of the buffer, over its table.
        indices: rows (B,); the m rows that share a window are side by side.
        rows_per_window: m.
        transition: makes d3rlpy's object of a row.
        space: of the contexts.
        context: whether observations have the context appended.
        multi_step: makes transitions of several steps; None for single ones.
        truncations_are_terminal: set `terminals` at the end of every episode that ended.
        windows: draws history windows; None for none.
        required: names of the labels that windows carry too.
        rng: of the windows.
    """
    table = episodes.table
    rows: dict[str, Any] = dict.fromkeys(OPTIONAL_ARRAYS) | table.rows(indices)
    rows["intervals"] = np.ones((len(indices), 1), dtype=np.float32)
    if multi_step is not None:
        rows |= dict.fromkeys(OPTIONAL_ARRAYS) | multi_step.columns(episodes, indices)
    if truncations_are_terminal:
        ended = episodes.reach_an_end(indices, rows["intervals"][:, 0].astype(np.int64))
        rows["terminals"] = np.maximum(rows["terminals"], ended[:, None].astype(np.float32))
    history = None
    if windows is not None:
        slots = windows.draw(indices.reshape(-1, rows_per_window), rng)
        history = gather_windows(table, *slots, len(indices), required)
    return ContextualMiniBatch(
        transitions=TransitionSequence(transition, indices),
        context_ids=table.take("context_ids", indices),
        context_space=space,
        context=context,
        history=history,
        **rows,
    )
