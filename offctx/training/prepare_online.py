"""What must fit before online training begins: the buffer to the environment, and the learner to both."""

from typing import Any

import numpy as np
from d3rlpy.algos.qlearning.base import QLearningAlgoBase
from d3rlpy.algos.utility import build_scalers_with_env, build_scalers_with_transition_picker
from d3rlpy.constants import ActionSpace

from offctx.buffers.appended import appended_by
from offctx.buffers.replay_buffer import ContextualReplayBuffer
from offctx.data.context_levels import ContextLevel
from offctx.envs.resolve import ResolvedEnv
from offctx.envs.wrappers import AppendContext
from offctx.errors import AlgorithmError, DatasetError


def check_buffer(buffer: Any, resolved: ResolvedEnv, level: ContextLevel | None) -> None:
    """Checks that the steps of an environment fit a buffer.

    Args:
        buffer: that was given.
        resolved: the environment.
        level: what batches should tell of the context, or None for what the buffer tells.

    Raises:
        AlgorithmError: it is no buffer of offctx.
        DatasetError: its context, observations or actions are not those of the environment.
    """
    if not isinstance(buffer, ContextualReplayBuffer):
        raise AlgorithmError(
            f"expected a buffer of offctx, as dataset.replay_buffer() makes; found {type(buffer).__name__}. Leave it out "
            f"for an empty one"
        )
    env, info = resolved.env, buffer.dataset_info
    assert env.observation_space.shape is not None
    size = env.observation_space.shape[0] + (env.context_space.size if buffer.context == "append" else 0)
    pairs: dict[str, tuple[Any, Any]] = {
        "context level": (buffer.context_level, level or buffer.context_level),
        "size of observations": (int(np.prod(info.observation_signature.shape[0])), size),
        "actions": (buffer.action_space, env.action_space),
    }
    if buffer.context_level in ("append", "hidden"):
        pairs["context names"] = (list(buffer.context_space.names), list(env.context_space.names))
    for what, (ours, theirs) in pairs.items():
        if ours != theirs:
            raise DatasetError(f"the buffer does not fit {resolved.name}: its {what}: {ours}; expected {theirs}")


def prepare_agent(agent: Any, resolved: ResolvedEnv, buffer: ContextualReplayBuffer) -> None:
    """Makes the networks of a learner that has none, and checks those of one that has, as d3rlpy's `fit_online` does.

    Args:
        agent: of d3rlpy.
        resolved: the environment.
        buffer: that it will learn from.

    Raises:
        AlgorithmError: it is no Q-learning algorithm, or does not fit the actions or the observations; or an augmentation
            appends to observations.
    """
    if not isinstance(agent, QLearningAlgoBase):
        class_name = agent.__name__ if isinstance(agent, type) else type(agent).__name__
        raise AlgorithmError(
            f"expected a Q-learning algorithm of d3rlpy, as d3rlpy.algos.SACConfig().create() makes, or its name; "
            f"found {class_name}"
        )
    name, space = type(agent).__name__, buffer.dataset_info.action_space
    if agent.get_action_type() not in (ActionSpace.BOTH, space):
        raise AlgorithmError(
            f"{name} is for {agent.get_action_type().name.lower()} actions; {resolved.name} has {space.name.lower()} ones"
        )
    if appended_by(buffer.augmentation):
        raise AlgorithmError(
            f"{name} would act without what the buffer's augmentation appends to observations (InferredContext is for data): "
            f'train a learner that infers its context, such as train_online("dma-star-sh", ..., context="hidden")'
        )
    if callable(getattr(agent, "prepare_online", None)):
        agent.prepare_online(buffer)
    env: Any = AppendContext(resolved.env) if buffer.context == "append" else resolved.env
    try:
        if buffer.transition_count:
            build_scalers_with_transition_picker(agent, buffer)
        else:
            build_scalers_with_env(agent, env)
    except (NotImplementedError, AssertionError) as error:
        raise AlgorithmError(
            f"a scaler of {name} cannot be fitted to an environment ({error!r}). Give it its numbers, or "
            f"train on a buffer that holds data"
        ) from error
    if agent.impl is None:
        agent.build_with_env(env)
    expected = tuple(buffer.dataset_info.observation_signature.shape[0])
    if tuple(agent.observation_shape) != expected or agent.action_size != buffer.dataset_info.action_size:
        raise AlgorithmError(
            f"{name} takes observations of shape {tuple(agent.observation_shape)} and gives {agent.action_size} actions; "
            f'{resolved.name} with context="{buffer.context}" has {expected} and {buffer.dataset_info.action_size}'
        )
