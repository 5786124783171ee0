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
from offctx.buffers.table import TransitionTable
from offctx.data.dataset import ContextualDataset
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
    actions = (dataset.actions[:, None] if dataset.actions.ndim == 1 else dataset.actions).astype(np.float32)
    floats = {
        "observations": _agent_observations(dataset.observations, dataset, context),
        "actions": actions,
        "rewards": dataset.rewards[:, None],
        "next_observations": _agent_observations(dataset.next_observations, dataset, context),
        "next_actions": _next_actions(actions, dataset),
        "terminals": dataset.terminations[:, None],
        "contexts": dataset.contexts,
    }
    labels = [*(DERIVATIVES if dataset.has_derivatives else ()), *required]
    floats |= {name: getattr(dataset, name) for name in dict.fromkeys(labels)}
    integers = {
        "context_ids": dataset.context_ids.astype(np.int64),
        "episode": np.repeat(np.arange(dataset.num_episodes), dataset.episode_ends - dataset.episode_starts),
    }
    return TransitionTable(floats, integers, capacity)


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


def _agent_observations(observations: Array, dataset: ContextualDataset, context: ContextMode) -> Array:
    """What the agent sees (N, D): observations (N, o), with or without the context."""
    parts = [observations, dataset.contexts] if context == "append" else [observations]
    return np.concatenate(parts, axis=1, dtype=np.float32, casting="same_kind")


def _next_actions(actions: Array, dataset: ContextualDataset) -> Array:
    """The next action of the same episode (N, a). An episode's last one is 0 if terminated, else its last action again."""
    last = dataset.episode_ends - 1
    next_actions = np.concatenate([actions[1:], actions[-1:]])
    next_actions[last] = np.where(dataset.terminations[last, None], 0, actions[last])
    return next_actions
