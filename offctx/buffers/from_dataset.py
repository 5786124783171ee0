"""From a dataset to the table of a buffer: what the agent sees, next actions, and the labels that batches carry.

Dimensions: N transitions, E episodes, o observation, p context, a action, D what the agent sees (o, or o + p where the context
is appended).
"""

from collections.abc import Sequence

import numpy as np
from d3rlpy.constants import ActionSpace
from d3rlpy.dataset import DatasetInfo, Signature
from gymnasium import spaces

from offctx.buffers.augmentation import DERIVATIVES
from offctx.buffers.table import Column, ComputedColumn, TransitionTable
from offctx.data.dataset import ContextualDataset
from offctx.data.storage.scratch import in_memory, on_disk
from offctx.data.transitions import repeat_rows
from offctx.envs.base import Array
from offctx.envs.policies import ContextMode
from offctx.errors import DatasetError


def table_of(
    dataset: ContextualDataset, context: ContextMode, required: Sequence[str], capacity: int | None
) -> TransitionTable:
    """The transitions of a dataset, row by row.

    Args:
        dataset: N transitions in E episodes.
        context: whether the context is appended to the observations.
        required: names of further arrays of the dataset that batches carry; derivatives they carry wherever there are any.
        capacity: the largest number of rows; None for no limit.

    Raises:
        DatasetError: there are more transitions than the capacity.
    """
    count, action_shape = len(dataset), dataset.actions.shape[1:] or (1,)
    floats: dict[str, Column] = {
        "observations": _agent_observations(dataset.observations, dataset, context),
        "actions": ComputedColumn((count, *action_shape), lambda begin, end: _actions(dataset, begin, end)),
        "rewards": dataset.rewards[:, None],
        "next_observations": _agent_observations(dataset.next_observations, dataset, context),
        "next_actions": ComputedColumn((count, *action_shape), lambda begin, end: _next_actions(dataset, begin, end)),
        "terminals": dataset.terminations[:, None],
        "contexts": dataset.contexts,
    }
    labels = [*(DERIVATIVES if dataset.has_derivatives else ()), *required]
    floats |= {name: getattr(dataset, name) for name in dict.fromkeys(labels)}
    lengths, allocate = dataset.episode_ends - dataset.episode_starts, on_disk if dataset.lazy else in_memory
    integers = {
        "context_ids": dataset.context_ids if dataset.lazy else dataset.context_ids.astype(np.int64),
        "episode": repeat_rows(np.arange(dataset.num_episodes), lengths, allocate),
    }
    return TransitionTable(floats, integers, capacity, allocate=allocate)


def info_of(dataset: ContextualDataset, context: ContextMode) -> DatasetInfo:
    """What d3rlpy wants to know of a dataset: shapes, types and the action space.

    Args:
        dataset: with actions that are a Box, or Discrete from 0 on.
        context: whether the context is appended to the observations.

    Raises:
        DatasetError: discrete actions do not start at 0.
    """
    space, size = dataset.action_space, dataset.observations.shape[1]
    if context == "append":
        size += dataset.context_space.size
    if isinstance(space, spaces.Discrete):
        if space.start != 0:
            raise DatasetError(f"d3rlpy numbers discrete actions from 0; {dataset.dataset_id} has {space}")
        kind, actions, action_size = ActionSpace.DISCRETE, Signature([np.dtype(np.int64)], [(1,)]), int(space.n)
    else:
        shape = dataset.actions.shape[1:]
        kind, actions, action_size = ActionSpace.CONTINUOUS, Signature([np.dtype(np.float32)], [shape]), shape[0]
    return DatasetInfo(
        observation_signature=Signature([np.dtype(np.float32)], [(size,)]),
        action_signature=actions,
        reward_signature=Signature([np.dtype(np.float32)], [(1,)]),
        action_space=kind,
        action_size=action_size,
    )


def _agent_observations(observations: Array, dataset: ContextualDataset, context: ContextMode) -> Column:
    """What the agent sees (N, D): observations (N, o), with or without the context."""
    if context != "append":
        return observations

    def rows(begin: int, end: int) -> Array:
        parts = [observations[begin:end], dataset.contexts[begin:end]]
        return np.concatenate(parts, axis=1, dtype=np.float32, casting="same_kind")

    return ComputedColumn((len(observations), observations.shape[1] + dataset.contexts.shape[1]), rows)


def _actions(dataset: ContextualDataset, begin: int, end: int) -> Array:
    """Some rows of the actions, (n, a) also where Discrete."""
    actions = dataset.actions[begin:end].astype(np.float32)
    return actions[:, None] if actions.ndim == 1 else actions


def _next_actions(dataset: ContextualDataset, begin: int, end: int) -> Array:
    """Some rows of the episode's next action: after the last one 0 where it terminated, else the last one again."""
    actions = _actions(dataset, begin, min(end + 1, len(dataset)))
    next_actions = np.concatenate([actions[1:], actions[-1:]])[: end - begin]
    first, stop = np.searchsorted(dataset.episode_ends, [begin + 1, end + 1])  # episodes whose last row is one of these
    last = dataset.episode_ends[first:stop] - 1
    next_actions[last - begin] = np.where(dataset.terminations[last, None], 0, actions[last - begin])
    return next_actions
