"""The replay buffer of online training.

Dimensions: o observation, a action, p context, s state, z noise coordinates.
"""

from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from gymnasium import spaces

from offctx.data.dataset import ContextualDataset
from offctx.envs.base import ContextualEnv
from offctx.envs.labels import LabelTransitions, labels_of
from offctx.errors import EnvError

if TYPE_CHECKING:
    from offctx.buffers.augmentation import AugmentationLike
    from offctx.buffers.replay_buffer import ContextualReplayBuffer


def online_buffer(
    env: gymnasium.Env[Any, Any],
    capacity: int | None = 1_000_000,
    *,
    augmentation: "AugmentationLike | None" = None,
    seed: int = 0,
) -> "ContextualReplayBuffer":
    """An empty d3rlpy replay buffer for `fit_online(env, buffer)`, which looks up in `env` what d3rlpy does not tell it.

    To start from a dataset instead, make its buffer and connect that: ``buffer = dataset.replay_buffer(...)``,
    ``buffer.connect(env)``.

    Args:
        env: contextual and in `offctx.envs.LabelTransitions`, which also says whether the context is appended or hidden.
        capacity: transitions; beyond, the oldest are overwritten. Their memory is laid out at once, and taken as it fills.
            None for no bound.
        augmentation: applied to every sampled batch: an `offctx.Augmentation` such as `offctx.CSE(radius=0.5)`, a function
            (batch, rng) -> batch, or a list of those, applied in order.
        seed: of the sampling and the augmentation. d3rlpy's networks and actions draw from global generators
            (`d3rlpy.seed`), the environment from its own (`d3rlpy.envs.seed_env`), which the resets of `fit_online` leave
            running, and its `random_steps` from the action space's (`env.action_space.seed`).

    Raises:
        EnvError: `env` is not in LabelTransitions.
        DerivativeError: it does not label transitions with what the augmentation requires.
    """
    from offctx.buffers.augmentation import as_augmentation, check_labels
    from offctx.buffers.replay_buffer import ContextualReplayBuffer

    labels = labels_of(env)
    augmentation = as_augmentation(augmentation)
    check_labels(augmentation, labels)
    buffer = ContextualReplayBuffer(
        _nothing(labels), context=labels.mode, augmentation=augmentation, seed=seed, capacity=capacity
    )
    buffer.connect(env)
    return buffer


def _nothing(labels: LabelTransitions) -> ContextualDataset:
    """A dataset of no transitions, in the shapes of an environment."""
    env: ContextualEnv = labels.contextual
    space, seen, actions = env.context_space, env.observation_space, env.action_space
    if not (isinstance(seen, spaces.Box) and isinstance(actions, (spaces.Box, spaces.Discrete))):
        raise EnvError(f"expected Box observations and Box or Discrete actions; {type(env).__name__} has {seen}, {actions}")
    o, p = seen.shape[0], space.size
    state = env.start(np.random.default_rng(0), space.default)
    return ContextualDataset(
        dataset_id=labels.spec.id if labels.spec is not None else type(env).__name__,
        context_space=space,
        observation_space=seen,
        action_space=actions,
        observations=np.zeros((0, o), seen.dtype),
        actions=np.zeros(0, np.int64) if isinstance(actions, spaces.Discrete) else np.zeros((0, *actions.shape), actions.dtype),
        rewards=np.zeros(0),
        next_observations=np.zeros((0, o), seen.dtype),
        terminations=np.zeros(0, dtype=np.bool_),
        truncations=np.zeros(0, dtype=np.bool_),
        contexts=np.zeros((0, p)),
        context_ids=np.zeros(0, dtype=np.int64),
        episode_starts=np.zeros(0, dtype=np.int64),
        episode_ends=np.zeros(0, dtype=np.int64),
        dnext_observation_dcontext=np.zeros((0, o, p)) if labels.gradients else None,
        dreward_dcontext=np.zeros((0, p)) if labels.gradients else None,
        states=np.zeros((0, len(state))),
        noise=np.zeros((0, env.noise_size)) if env.noise_size else None,
    )
