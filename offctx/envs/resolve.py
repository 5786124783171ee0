"""From an id, a factory or an environment to the contextual environment inside it and its time limit."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium
from gymnasium.envs.registration import EnvSpec

from offctx.envs.base import ContextualEnv
from offctx.errors import EnvError

EnvLike = str | Callable[[], gymnasium.Env[Any, Any]] | gymnasium.Env[Any, Any]


# Wrappers that batched simulation may skip, as they change no observation, action, reward or termination.
_TRANSPARENT = {"TimeLimit", "OrderEnforcing", "PassiveEnvChecker"}


@dataclass(frozen=True)
class ResolvedEnv:
    """An environment family with its time limit.

    Attributes:
        env: the environment without wrappers.
        horizon: steps after which an episode is truncated.
        name: Gymnasium id, or the class name where it has none.
        spec: Gymnasium's description of how to make it again, if any.
    """

    env: ContextualEnv
    horizon: int
    name: str
    spec: EnvSpec | None


def resolve(env: EnvLike) -> ResolvedEnv:
    """The contextual environment behind an id, a factory or an environment, with its time limit.

    Raises:
        EnvError: not contextual, no time limit, or wrapped in something that batched simulation would leave out.
    """
    if isinstance(env, str):
        try:
            made = gymnasium.make(env)
        except (gymnasium.error.Error, ImportError) as error:
            raise EnvError(f"Gymnasium cannot make {env!r}: {error}") from error
    elif isinstance(env, gymnasium.Env):
        made = env
    elif callable(env):
        made = env()
    else:
        raise EnvError(f"expected a Gymnasium id, a factory or an environment; found {env!r}")
    if not isinstance(made, gymnasium.Env) or not isinstance(made.unwrapped, ContextualEnv):
        raise EnvError(
            f"expected the id or factory of an offctx.envs.ContextualEnv; found "
            f"{type(made.unwrapped).__name__ if isinstance(made, gymnasium.Env) else type(made).__name__}"
        )
    for attribute in ("context_space", "observation_space", "action_space"):
        if getattr(made.unwrapped, attribute, None) is None:
            raise EnvError(f"{type(made.unwrapped).__name__} sets no {attribute}")
    spec = made.spec
    horizon = spec.max_episode_steps if spec is not None else None
    layer: gymnasium.Env[Any, Any] = made
    while isinstance(layer, gymnasium.Wrapper):
        kind = type(layer).__name__
        if kind not in _TRANSPARENT:
            raise EnvError(f"wrapper {kind} would be left out by batched simulation; pass the environment without it")
        if isinstance(layer, gymnasium.wrappers.TimeLimit):
            horizon = min(layer._max_episode_steps, horizon or layer._max_episode_steps)
        layer = layer.env
    if horizon is None or horizon < 1:
        raise EnvError(
            f"{type(made.unwrapped).__name__} has no time limit: register it with max_episode_steps, or let the "
            f"factory return gymnasium.wrappers.TimeLimit(env, max_episode_steps=...)"
        )
    name = spec.id if spec is not None else type(made.unwrapped).__name__
    return ResolvedEnv(made.unwrapped, int(horizon), name, spec)
