"""The replay buffer of online training.

Dimensions: o observation, a action, p context, s state, z noise coordinates.
"""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from offctx.buffers.augmentation import AugmentationLike
from offctx.buffers.augmentation_list import as_augmentation
from offctx.buffers.replay_buffer import ContextualReplayBuffer
from offctx.buffers.requirements import check_labels
from offctx.data.context_levels import ContextLevel
from offctx.data.dataset import ContextualDataset
from offctx.data.history.settings import History
from offctx.envs.base import ContextualEnv
from offctx.envs.labels import LabelTransitions, labels_of
from offctx.errors import EnvError


def online_buffer(
    env: gymnasium.Env[Any, Any],
    capacity: int | None = 1_000_000,
    *,
    context: ContextLevel | None = None,
    augmentation: AugmentationLike | None = None,
    seed: int = 0,
    history: History | None = None,
) -> ContextualReplayBuffer:
    """An empty replay buffer for d3rlpy's `fit_online(env, buffer)`, which looks up in `env` what d3rlpy does not give it.

    To start from a dataset instead, make the dataset's buffer and connect it: ``buffer = dataset.replay_buffer(...)``,
    ``buffer.connect(env)``.

    Args:
        env: contextual, and in `offctx.envs.LabelTransitions`, which also says whether the context is appended or hidden.
        capacity: the largest number of transitions; beyond it, the oldest are overwritten. Their memory is reserved at once,
            and used as it fills. None for no limit.
        context: what batches tell of the context, as `ContextualDataset.replay_buffer` has it; the mode of `env` ("append" or
            "hidden") where not given. "anonymous" and "withheld" need an `env` that hides the context.
        augmentation: applied to every sampled batch: an `offctx.Augmentation` such as `offctx.CSE(radius=0.5)`, a function
            (batch, rng) -> batch, or a list of those, applied in order; or None.
        seed: of the sampling and the augmentation. d3rlpy's networks and actions draw from global generators
            (`d3rlpy.seed`), the environment from its own (`d3rlpy.envs.seed_env`), which the resets of `fit_online` leave
            running, and its `random_steps` from the action space's (`env.action_space.seed`).
        history: which windows of other transitions each batch carries, of finished episodes and of the running one.

    Returns:
        The buffer, connected to `env`.

    Raises:
        EnvError: `env` is not in LabelTransitions, or has other observations than a Box or other actions than Box or Discrete.
        DerivativeError: `env` does not label transitions with what the augmentation requires.
        DatasetError: the capacity or the seed is out of range, or discrete actions do not start at 0.

    Example::

        env = offctx.envs.LabelTransitions(gymnasium.make("offctx/PendulumGoal-v0"))
        buffer = offctx.online_buffer(env, capacity=100_000, augmentation=offctx.CSE(radius=0.5), seed=0)
        d3rlpy.algos.SACConfig().create().fit_online(env, buffer, n_steps=10_000)
    """
    labels = labels_of(env)
    augmentation = as_augmentation(augmentation)
    check_labels(augmentation, labels)
    level: ContextLevel = labels.mode if context is None else context
    buffer = ContextualReplayBuffer(
        _empty_dataset(labels), context=level, augmentation=augmentation, seed=seed, capacity=capacity, history=history
    )
    buffer.connect(env)
    return buffer


def _empty_dataset(labels: LabelTransitions) -> ContextualDataset:
    """A dataset without transitions, in the shapes of an environment."""
    env: ContextualEnv = labels.contextual
    space, observation_space, action_space = env.context_space, env.observation_space, env.action_space
    if not (isinstance(observation_space, spaces.Box) and isinstance(action_space, (spaces.Box, spaces.Discrete))):
        raise EnvError(
            f"expected Box observations and Box or Discrete actions; {type(env).__name__} has {observation_space} and "
            f"{action_space}"
        )
    o, p = observation_space.shape[0], space.size
    s = len(env.start(np.random.default_rng(0), space.default))
    actions = np.zeros(0, np.int64)
    if isinstance(action_space, spaces.Box):
        actions = np.zeros((0, *action_space.shape), action_space.dtype)
    return ContextualDataset(
        dataset_id=labels.spec.id if labels.spec is not None else type(env).__name__,
        context_space=space,
        observation_space=observation_space,
        action_space=action_space,
        observations=np.zeros((0, o), observation_space.dtype),
        actions=actions,
        rewards=np.zeros(0),
        next_observations=np.zeros((0, o), observation_space.dtype),
        terminations=np.zeros(0, dtype=np.bool_),
        truncations=np.zeros(0, dtype=np.bool_),
        contexts=np.zeros((0, p)),
        context_ids=np.zeros(0, dtype=np.int64),
        episode_starts=np.zeros(0, dtype=np.int64),
        episode_ends=np.zeros(0, dtype=np.int64),
        dnext_observation_dcontext=np.zeros((0, o, p)) if labels.gradients else None,
        dreward_dcontext=np.zeros((0, p)) if labels.gradients else None,
        states=np.zeros((0, s)),
        noise=np.zeros((0, env.noise_size)) if env.noise_size else None,
    )
