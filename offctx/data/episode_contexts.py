"""The context of each episode: as recorded in the dataset, or as given by the caller.

Dimensions: E episodes, T steps of one, p context.
"""

import numpy as np

from offctx.contexts.space import Contexts, ContextSpace
from offctx.data.episodes import Episodes
from offctx.data.layout import CONTEXT
from offctx.data.storage.stored import StoredDataset
from offctx.errors import ContextError, DatasetError


def recorded_contexts(stored: StoredDataset, space: ContextSpace) -> Contexts | None:
    """Returns the contexts (E, p) that the dataset carries, or None where it carries none.

    Raises:
        DatasetError: they are inconsistent or do not fit the context space.
    """
    contexts = _contexts_of_episodes(stored.episodes, stored.dataset_id)
    try:
        return None if contexts is None else space.check_many(contexts, extrapolate=True)
    except ContextError as error:
        raise DatasetError(f"{stored.dataset_id}: its contexts do not fit its context space: {error}") from error


def one_context_per_episode(stored: StoredDataset, contexts: Contexts) -> Contexts:
    """Returns contexts (E, p) from given ones (E, p), or (1, p) for all episodes.

    Raises:
        ContextError: another number of contexts.
    """
    e = len(stored.episodes.lengths)
    if len(contexts) not in (1, e):
        raise ContextError(
            f"{stored.dataset_id} has {e} episodes; expected contexts ({e}, {contexts.shape[1]}), found {contexts.shape}"
        )
    return np.repeat(contexts, e, axis=0) if len(contexts) == 1 else contexts


def _contexts_of_episodes(episodes: Episodes, dataset_id: str) -> Contexts | None:
    """The contexts (E, p) in the infos, else in the reset options, else None.

    Raises:
        DatasetError: a context changes within an episode, or infos and options disagree.
    """
    options = episodes.options_context
    if CONTEXT not in episodes.infos:
        return None if options is None else np.asarray(options, dtype=np.float64)
    rows = np.asarray(episodes.infos[CONTEXT], dtype=np.float64)
    if rows.ndim != 2:
        raise DatasetError(f"{dataset_id}: infos/context must have shape (T+1, p); found rows of shape {rows.shape[1:]}")
    contexts: Contexts = rows[episodes.row_ends - 1]
    changed = (rows != np.repeat(contexts, episodes.lengths + 1, axis=0)).any(axis=1)
    if changed.any():
        episode = np.searchsorted(episodes.row_ends, np.flatnonzero(changed)[0], side="right")
        raise DatasetError(f"{dataset_id}: infos/context changes within episode {episode}; it must not")
    if options is not None and options.shape == contexts.shape and (options != contexts).any():
        episode = np.flatnonzero((options != contexts).any(axis=1))[0]
        raise DatasetError(f"{dataset_id}: infos/context and options/context of episode {episode} disagree")
    return contexts
