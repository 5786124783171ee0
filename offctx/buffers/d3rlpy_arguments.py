"""Arguments of d3rlpy's buffer: those that a buffer of offctx takes, and what to do instead of the others."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from d3rlpy.dataset import BasicTrajectorySlicer, BasicTransitionPicker, DatasetInfo, MultiStepTransitionPicker

from offctx.buffers.multi_step import MultiStep
from offctx.envs.base import Array
from offctx.envs.policies import ContextMode
from offctx.errors import DatasetError

_DEFAULTS = {"transition_picker": BasicTransitionPicker, "trajectory_slicer": BasicTrajectorySlicer}


def read_d3rlpy_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a buffer of offctx that do what these arguments of d3rlpy's buffer do.

    Args:
        arguments: d3rlpy's basic picker and slicer, and its MultiStepTransitionPicker.

    Raises:
        DatasetError: another picker or slicer of d3rlpy; the message says how d3rlpy's own buffer gets the data.
        TypeError: a name that d3rlpy does not know either.
    """
    accepted = {}
    for name, value in arguments.items():
        if name not in _DEFAULTS:
            raise TypeError(
                f"replay_buffer() got an unexpected keyword argument {name!r}; it takes context, augmentation, seed, history"
            )
        if name == "transition_picker" and type(value) is MultiStepTransitionPicker:
            accepted["multi_step"] = MultiStep.of(value)
        elif value is not None and type(value) is not _DEFAULTS[name]:
            raise DatasetError(
                f"a buffer of offctx gathers whole batches at once, and takes no {type(value).__name__}: of d3rlpy's "
                f"pickers it takes MultiStepTransitionPicker. For others, such as stacked frames, write the transitions for "
                f"d3rlpy's own buffer, without augmentation: "
                f'`with open("data.h5", "w+b") as f: dataset.replay_buffer().dump(f)`, then `with open("data.h5", "rb") as f: '
                f"d3rlpy.dataset.ReplayBuffer.load(f, d3rlpy.dataset.InfiniteBuffer(), "
                f"{name}=...)`"
            )
    return accepted


def read_step(
    info: DatasetInfo, context: ContextMode, observation: Any, action: Any, reward: Any
) -> tuple[Array, Array, Array]:
    """Observation (D,), action (a,) and reward (1,) of one online step as float32.

    Args:
        info: shapes of the buffer.
        context: how the buffer holds the context, for the message.
        observation: what the agent saw (D,).
        action: (a,), or one integer.
        reward: one number.

    Raises:
        DatasetError: a shape is not that of the buffer.
    """
    expected_shape, action_shape = info.observation_signature.shape[0], info.action_signature.shape[0]
    observation, flat_action = np.asarray(observation, dtype=np.float32), np.asarray(action, dtype=np.float32).reshape(-1)
    if observation.shape != expected_shape:
        raise DatasetError(
            f'expected observations of shape {expected_shape}, as context="{context}" has them; found '
            f"{observation.shape}. offctx.envs.AppendContext appends it"
        )
    if flat_action.shape != action_shape:
        raise DatasetError(f"expected an action of shape {action_shape}; found {np.shape(action)}")
    return observation, flat_action, np.asarray(reward, dtype=np.float32).reshape(1)
