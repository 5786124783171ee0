"""From an id, a factory or an environment to the contextual environment inside it and its time limit."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import gymnasium
from gymnasium.envs.registration import EnvSpec

from offctx.envs.base import ContextualEnv
from offctx.envs.required_spaces import require_spaces
from offctx.errors import EnvError

EnvLike = str | Callable[[], gymnasium.Env[Any, Any]] | gymnasium.Env[Any, Any]

# Wrappers that batched simulation may skip, as they change no observation, action, reward or termination.
TRANSPARENT_WRAPPERS = frozenset({"TimeLimit", "OrderEnforcing", "PassiveEnvChecker"})

_ID = re.compile(r"(?:\w[\w.-]*:)?[^:]+")  # that Gymnasium can take apart
_LONGEST_ID = 200  # characters


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

    @property
    def registered(self) -> bool:
        """Whether `gymnasium.make(name)` makes this environment again: the same arguments, the same time limit."""
        return self.spec is not None and is_registered(self.spec, self.horizon)


def is_registered(spec: EnvSpec, horizon: int | None) -> bool:
    """Whether `gymnasium.make(spec.id)` makes what the spec describes, with this time limit."""
    known = gymnasium.registry.get(spec.id)
    if known is None or spec.additional_wrappers or horizon != known.max_episode_steps:
        return False
    arguments, registered_arguments = ({k: v for k, v in each.kwargs.items() if k != "render_mode"} for each in (spec, known))
    return repr(arguments) == repr(registered_arguments)


def resolve(env: EnvLike) -> ResolvedEnv:
    """The contextual environment behind an id, a factory or an environment, with its time limit.

    Args:
        env: a Gymnasium id, a function that makes an environment, or an environment.

    Raises:
        EnvError: not contextual, no time limit, or wrapped in something that batched simulation would leave out.

    Example::

        resolved = resolve("offctx/PendulumGoal-v0")
        resolved.env.context_space, resolved.horizon  # the space, 200
    """
    inner, horizon, spec = family_of(env)
    if horizon is None or horizon < 1:
        raise EnvError(
            f"{type(inner).__name__} has no time limit: register it with max_episode_steps, or let the "
            f"factory return gymnasium.wrappers.TimeLimit(env, max_episode_steps=...)"
        )
    return ResolvedEnv(inner, int(horizon), spec.id if spec is not None else type(inner).__name__, spec)


def family_of(env: EnvLike) -> tuple[ContextualEnv, int | None, EnvSpec | None]:
    """The contextual environment behind an id, a factory or an environment, its time limit if it has one, and its spec.

    Raises:
        EnvError: not contextual, or wrapped in something that batched simulation would leave out.
    """
    outer = _make(env)
    return _contextual(outer), _horizon(outer), outer.spec


def wrappers_of(env: gymnasium.Env[Any, Any]) -> Iterator[gymnasium.Wrapper[Any, Any, Any, Any]]:
    """The wrappers of an environment, the outermost first."""
    layer = env
    while isinstance(layer, gymnasium.Wrapper):
        yield layer
        layer = layer.env


def _make(env: Any) -> Any:
    """What an id or a factory makes; an environment as it is."""
    if isinstance(env, str):
        _check_id(env)
        try:
            return gymnasium.make(env)
        except (gymnasium.error.Error, ImportError) as error:
            raise EnvError(f"Gymnasium cannot make {env!r}: {error}") from error
    if isinstance(env, gymnasium.Env):
        return env
    if callable(env):
        return env()
    raise EnvError(f"expected a Gymnasium id, a factory or an environment; found {env!r}")


def _check_id(env_id: str) -> None:
    """Refuses some of what is no id: for that, Gymnasium raises errors of Python."""
    if len(env_id) > _LONGEST_ID or not _ID.fullmatch(env_id):
        raise EnvError(
            f"expected a Gymnasium id, [module:][namespace/]name[-v<version>], such as 'offctx/PendulumGoal-v0'; found "
            f"{env_id[:_LONGEST_ID]!r}{'...' if len(env_id) > _LONGEST_ID else ''}"
        )


def _contextual(env: Any) -> ContextualEnv:
    """The `ContextualEnv` inside the wrappers, with all its spaces."""
    if not isinstance(env, gymnasium.Env) or not isinstance(env.unwrapped, ContextualEnv):
        inner = env.unwrapped if isinstance(env, gymnasium.Env) else env
        message = f"expected the id or factory of an offctx.envs.ContextualEnv; found {type(inner).__name__}"
        raise EnvError(message + _mujoco_hint(env))
    require_spaces(env.unwrapped)
    return env.unwrapped


def _mujoco_hint(env: Any) -> str:
    """What gives contexts to an environment of Gymnasium's MuJoCo kind; nothing for others."""
    # By name: the class itself would import mujoco.
    if not isinstance(env, gymnasium.Env) or "MujocoEnv" not in [each.__name__ for each in type(env.unwrapped).__mro__]:
        return ""
    gymnasium_id = env.spec.id if env.spec is not None else "Hopper-v5"
    hint = f'. offctx.envs.MujocoPhysics("{gymnasium_id}", ["gravity", "mass"]) gives it physical parameters as its context'
    ours = f"offctx/{gymnasium_id.rpartition('-')[0]}Physics-v0"
    return f"{hint}; {ours} is registered, with gravity, mass, friction and gear" if ours in gymnasium.registry else hint


def _horizon(env: Any) -> int | None:
    """The shortest time limit of spec, wrappers and environment. Raises EnvError for a wrapper that changes the environment."""
    limits = [env.spec.max_episode_steps if env.spec is not None else None, env.unwrapped.max_episode_steps]
    for wrapper in wrappers_of(env):
        name = type(wrapper).__name__
        if name not in TRANSPARENT_WRAPPERS:
            raise EnvError(f"wrapper {name} would be left out by batched simulation; pass the environment without it")
        if isinstance(wrapper, gymnasium.wrappers.TimeLimit):
            limits.append(wrapper._max_episode_steps)
    return min((limit for limit in limits if limit is not None), default=None)
