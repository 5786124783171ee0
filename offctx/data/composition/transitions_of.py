"""The transitions of a ContextualDataset as they are written, and its episodes block by block."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from offctx.data.episodes import STEP_ARRAYS, Episodes
from offctx.data.layout import CONTEXT, DERROR, DNEXT, DREWARD, NOISE, STATE
from offctx.data.transitions import LENGTHS, Transitions

if TYPE_CHECKING:
    from offctx.data.dataset import ContextualDataset

_AFTER = {  # infos that are zero in row 0
    NOISE: "noise",
    DNEXT: "dnext_observation_dcontext",
    DREWARD: "dreward_dcontext",
    DERROR: "derivative_errors",
}


def transitions_of(dataset: "ContextualDataset") -> Transitions:
    """The arrays of a dataset, not copied, as they are written."""
    starts = dataset.episode_starts
    contexts = dataset.contexts[starts]
    by_step = {name: getattr(dataset, name) for name in ("observations", "next_observations", *STEP_ARRAYS)}
    by_step[f"infos/{CONTEXT}"] = dataset.contexts
    by_episode = {LENGTHS: dataset.episode_ends - starts, f"rest/{CONTEXT}": contexts, "options_context": contexts}
    if dataset.states is not None and dataset.episode_last_states is not None:
        by_step[f"infos/{STATE}"] = dataset.states
        by_episode[f"rest/{STATE}"] = dataset.episode_last_states
    for name, attribute in _AFTER.items():
        array = getattr(dataset, attribute)
        if array is not None:
            by_step[f"infos/{name}"] = array
            by_episode[f"rest/{name}"] = np.zeros((len(starts), *array.shape[1:]), array.dtype)
    if dataset.episode_seeds is not None:
        by_episode["seeds"] = dataset.episode_seeds
    return Transitions(by_step, by_episode)


def blocks_of(dataset: "ContextualDataset") -> Iterator[Episodes]:
    """All episodes of a dataset, some at a time."""
    return (block.to_episodes() for block in transitions_of(dataset).blocks())
