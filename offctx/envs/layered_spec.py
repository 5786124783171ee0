"""How Gymnasium makes an environment in layers again: an id, its arguments, and the layers around it, as plain JSON.

`ActuatorContexts` and `ObservationContexts` may stand around an environment with arguments of its own or another time limit, or
around one another. Their spec names `offctx.envs.layered`, whose arguments are the fields of `LayeredEnv`.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import gymnasium
from gymnasium.envs.registration import EnvSpec

LAYERED = "offctx.envs.layered:layered"
LAYERS = {"offctx.envs:ActuatorContexts": "ActuatorContexts", "offctx.envs:ObservationContexts": "ObservationContexts"}


@dataclass(frozen=True)
class LayeredEnv:
    """An environment in layers.

    Attributes:
        env: the Gymnasium id of the innermost environment.
        arguments: of that environment, other than those it is registered with.
        horizon: its time limit; None for that of its id.
        layers: the layers around it, the innermost first; each a mapping from the name of the class to its arguments.
    """

    env: str
    arguments: dict[str, Any]
    horizon: int | None
    layers: list[dict[str, dict[str, Any]]]

    @property
    def code(self) -> str:
        """Python code that makes it."""
        keywords = "".join(f", {name}={value!r}" for name, value in self.arguments.items())
        limit = "" if self.horizon is None else f", max_episode_steps={self.horizon}"
        code = f"gymnasium.make({self.env!r}{limit}{keywords})"
        for layer in self.layers:
            for name, arguments in layer.items():
                code = f"offctx.{name}({code}{''.join(f', {key}={value!r}' for key, value in arguments.items())})"
        return code


def layered_spec(inside: EnvSpec | None, limit: int | None, layer: str, arguments: dict[str, Any]) -> EnvSpec | None:
    """The spec of one more layer around an environment; None where that cannot be made by an id and plain arguments.

    Args:
        inside: of the environment inside.
        limit: its time limit.
        layer: name of the class of the layer.
        arguments: of the layer, JSON.
    """
    parts = None if inside is None else parts_of(inside.id, inside.entry_point, inside.kwargs, limit)
    if parts is None:
        return None
    kwargs = asdict(parts) | {"layers": [*parts.layers, {layer: arguments}]}
    try:
        kwargs = json.loads(json.dumps(kwargs, allow_nan=False))
    except (TypeError, ValueError):
        return None
    name = f"{layer}/{parts.env.rpartition('/')[2]}"
    return EnvSpec(name, entry_point=LAYERED, max_episode_steps=limit, kwargs=kwargs)


def parts_of(env_id: str, entry_point: Any, kwargs: Mapping[str, Any], limit: int | None) -> LayeredEnv | None:
    """What the id, the entry point and the arguments of a spec describe; None where it is not known.

    An id that is registered is taken by its id: its entry point is that of the registry, and not the one that is given.
    """
    if env_id in gymnasium.registry:
        return LayeredEnv(env_id, changed_arguments(env_id, kwargs), limit, [])
    arguments = dict(kwargs)
    env = arguments.pop("env", None)
    if not isinstance(env, str):
        return None
    if entry_point in LAYERS:
        return LayeredEnv(env, {}, limit, [{LAYERS[entry_point]: arguments}])
    if entry_point == LAYERED and set(arguments) == {"arguments", "horizon", "layers"}:
        return LayeredEnv(env, **arguments)
    return None


def changed_arguments(env_id: str, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that an id is not registered with; how an environment is drawn does not count."""
    known = gymnasium.registry[env_id].kwargs
    return {
        name: value
        for name, value in kwargs.items()
        if name != "render_mode" and not (name in known and _plain(known[name]) == _plain(value))
    }


def _plain(value: Any) -> str:
    """A value as JSON, or as Python shows it."""
    try:
        return json.dumps(value, sort_keys=True)
    except (TypeError, ValueError):
        return repr(value)
