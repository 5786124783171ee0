"""Gymnasium's MuJoCo environments, made without messages about their model files."""

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import gymnasium
import mujoco
from gymnasium import spaces
from gymnasium.envs.mujoco.mujoco_env import MujocoEnv

from offctx.errors import EnvError


def make_mujoco_env(gymnasium_id: str, arguments: dict[str, Any]) -> Any:
    """The MuJoCo environment of Gymnasium with this id, without wrappers.

    Args:
        gymnasium_id: such as "HalfCheetah-v5".
        arguments: of `gymnasium.make`.

    Raises:
        EnvError: Gymnasium cannot make it, it is no MuJoCo environment, or its observations are not 1-D.
    """
    try:
        with _model_warnings():
            env = gymnasium.make(gymnasium_id, **arguments).unwrapped
    except (gymnasium.error.Error, ImportError, TypeError) as error:
        raise EnvError(f"Gymnasium cannot make {gymnasium_id!r}: {error}") from error
    if not isinstance(env, MujocoEnv):
        raise EnvError(f"{gymnasium_id} is no Gymnasium MuJoCo environment with the mujoco bindings (v4 and later)")
    if not isinstance(env.observation_space, spaces.Box) or len(env.observation_space.shape) != 1:
        raise EnvError(f"{gymnasium_id}: expected 1-D observations; found {env.observation_space}")
    return env


@contextlib.contextmanager
def _model_warnings() -> Iterator[None]:
    """Turns MuJoCo's warnings while a model is loaded into Python's, but not those about deprecated words in model files.

    Otherwise MuJoCo prints its warnings, and appends them to a file in the current folder.
    """
    messages: list[str] = []
    before = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(messages.append)
    try:
        yield
    finally:
        mujoco.set_mju_user_warning(before)
    for message in messages:
        if "deprecated" not in message:
            warnings.warn(message, stacklevel=3)
