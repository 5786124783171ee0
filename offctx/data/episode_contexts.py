"""The context of each episode: as recorded in the dataset, or as given by the caller.

Dimensions: E episodes, N transitions, p context.
"""

import numpy as np

from offctx.contexts.space import Contexts, ContextSpace
from offctx.data.layout import CONTEXT
from offctx.data.storage.scratch import release
from offctx.data.transitions import Transitions
from offctx.envs.base import Array
from offctx.errors import ContextError, DatasetError

_BLOCK = 1 << 18  # transitions that are compared at once


def contexts_of_transitions(transitions: Transitions, space: ContextSpace, dataset_id: str) -> Contexts | None:
    """Returns the contexts (E, p) that transitions carry, or None where they carry none.

    Raises:
        DatasetError: they are inconsistent or do not fit the context space.
    """
    after, first = transitions.info(CONTEXT), transitions.by_episode.get(f"rest/{CONTEXT}")
    contexts = _consistent(after, first, transitions.ends, transitions.by_episode.get("options_context"), dataset_id)
    return None if contexts is None else _in_space(contexts, space, dataset_id)


def carries_contexts(transitions: Transitions) -> bool:
    """Whether episodes carry contexts, in their infos or in the options of their resets."""
    return transitions.info(CONTEXT) is not None or "options_context" in transitions.by_episode


def recorded_contexts(transitions: Transitions, dataset_id: str) -> Contexts | None:
    """Returns the contexts (E, q) that transitions carry, in whatever space; None where they carry none, or contradict."""
    after, first = transitions.info(CONTEXT), transitions.by_episode.get(f"rest/{CONTEXT}")
    try:
        return _consistent(after, first, transitions.ends, transitions.by_episode.get("options_context"), dataset_id)
    except DatasetError:
        return None


def for_each_episode(contexts: Contexts, count: int, dataset_id: str) -> Contexts:
    """Returns contexts (E, p) from given ones (E, p) or (1, p); raises ContextError for another number of them than E."""
    if len(contexts) not in (1, count):
        raise ContextError(
            f"{dataset_id} has {count} episodes; expected contexts ({count}, {contexts.shape[1]}), found {contexts.shape}"
        )
    return np.repeat(contexts, count, axis=0) if len(contexts) == 1 else contexts


def _in_space(contexts: Contexts, space: ContextSpace, dataset_id: str) -> Contexts:
    try:
        return space.check_many(contexts, extrapolate=True)
    except ContextError as error:
        raise DatasetError(f"{dataset_id}: its contexts do not fit its context space: {error}") from error


def _consistent(
    after: Array | None, first: Array | None, ends: Array, options: Array | None, dataset_id: str
) -> Contexts | None:
    """The contexts (E, p) in the infos, else in the reset options, else None.

    Args:
        after: infos/context after each transition (N, p), or None.
        first: in row 0 of each episode (E, p), or None.
        ends: where each episode ends among the transitions (E,).
        options: in the options of the reset (E, p), or None.
        dataset_id: for messages.

    Raises:
        DatasetError: a context changes within an episode, or infos and options disagree.
    """
    if after is None or first is None:
        return None if options is None else np.asarray(options, dtype=np.float64)
    if after.ndim != 2:
        raise DatasetError(f"{dataset_id}: infos/context must have shape (T+1, p); found rows of shape {after.shape[1:]}")
    contexts: Contexts = np.array(after[ends - 1], dtype=np.float64)
    changed = (first != contexts).any(axis=1)
    for begin in range(0, len(after), _BLOCK):
        rows = np.arange(begin, min(begin + _BLOCK, len(after)))
        owners = np.searchsorted(ends, rows, side="right")
        changed[owners[(after[rows[0] : rows[-1] + 1] != contexts[owners]).any(axis=1)]] = True
        release(after)
    if changed.any():
        raise DatasetError(f"{dataset_id}: infos/context changes within episode {changed.argmax()}; it must not")
    if options is not None and options.shape == contexts.shape and (options != contexts).any():
        episode = np.flatnonzero((options != contexts).any(axis=1))[0]
        raise DatasetError(f"{dataset_id}: infos/context and options/context of episode {episode} disagree")
    return contexts
