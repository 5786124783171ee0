"""Which environments may be made because a dataset names them: those that ship with offctx, and no others.

To make an environment runs the code that its registration names. A dataset is data of somebody else, so its metadata may only
choose among environments that are registered under "offctx/", give them numbers, and put the layers `ActuatorContexts` and
`ObservationContexts` around them. Entry points that metadata name are compared with those of offctx, and never imported.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

import gymnasium

from offctx.data.metadata import Metadata
from offctx.data.storage.stored import StoredHeader
from offctx.envs.layered import layered
from offctx.envs.layered_spec import LayeredEnv, parts_of
from offctx.envs.resolve import EnvLike
from offctx.errors import DatasetError, OffctxError

_LAYERS = {  # the arguments that metadata may give
    "ActuatorContexts": {"actuators", "training", "kinds"},
    "ObservationContexts": {"noise", "gain", "bias", "delay", "distractors", "scale"},
}
_LONGEST_SPEC, _MOST_LAYERS, _LARGEST_NUMBER, _LONGEST_LIST = 100_000, 8, 1_000, 1_000


def shipped_env(env_spec: Any, metadata: Metadata | None, dataset_id: str) -> EnvLike | None:
    """The environment that a dataset was recorded in, where offctx ships all parts of it; else None.

    Args:
        env_spec: Gymnasium's description of it as JSON, as Minari stores it; anything else counts as none.
        metadata: the offctx metadata, which go before it: a description of another environment than they name does not count.
        dataset_id: for messages.

    Returns:
        An id, or an environment where it has arguments of its own or layers.

    Raises:
        DatasetError: its parts are offctx's, and do not fit together.
    """
    parts = _described(env_spec)
    if metadata is not None and (parts is None or _name(env_spec) != metadata.env):
        return if_shipped(metadata.env)
    if parts is None or if_shipped(parts.env) is None or not (_numbers(parts.arguments) and _known_layers(parts.layers)):
        return None
    if not parts.layers and not parts.arguments:
        return parts.env
    try:
        return layered(parts.env, parts.layers, parts.arguments, parts.horizon)
    except (OffctxError, gymnasium.error.Error, TypeError, ValueError, AttributeError) as error:
        raise DatasetError(
            f"{dataset_id} says that it was recorded in {_cut(parts.code)}, which cannot be made ({error}): pass env="
        ) from error


def recorded_env(stored: StoredHeader) -> EnvLike | None:
    """The environment that was recorded, where offctx ships all parts of it; else None. Raises as `shipped_env`."""
    return shipped_env(stored.raw.get("env_spec"), stored.metadata, stored.dataset_id)


def how_to_give_env(env_spec: Any) -> str:
    """What to pass as env=, as far as a description tells it; for messages."""
    parts = _described(env_spec)
    if parts is None:
        return (
            "pass env=, the environment that was recorded: a Gymnasium id, a factory or an environment, such as "
            'offctx.envs.MujocoPhysics("HalfCheetah-v5", ["gravity", "mass"])'
        )
    return f"pass env=, which was {_cut(parts.code)} when it was recorded, if you trust it, after importing what registers it"


def if_shipped(env_id: str) -> str | None:
    """Returns the id where it is one of an environment that ships with offctx, else None."""
    return env_id if env_id.startswith("offctx/") and env_id in gymnasium.registry else None


def _described(env_spec: Any) -> LayeredEnv | None:
    """The parts of a description; None where it is malformed."""
    plain = _parsed(env_spec)
    env_id, kwargs, limit = plain.get("id"), plain.get("kwargs"), plain.get("max_episode_steps")
    if not isinstance(env_id, str) or not (kwargs is None or isinstance(kwargs, dict)):
        return None
    if limit is not None and not _is_limit(limit):
        return None
    parts = parts_of(env_id, plain.get("entry_point"), kwargs or {}, limit)
    if parts is None:
        return LayeredEnv(env_id, kwargs or {}, limit, [])
    right = isinstance(parts.arguments, dict) and isinstance(parts.layers, list) and len(parts.layers) <= _MOST_LAYERS
    right = right and all(isinstance(each, dict) and len(each) == 1 for each in parts.layers)
    right = right and all(isinstance(arguments, dict) for each in parts.layers for arguments in each.values())
    return parts if right and (parts.horizon is None or _is_limit(parts.horizon)) else None


def _parsed(env_spec: Any) -> Mapping[str, Any]:
    if not isinstance(env_spec, str) or len(env_spec) > _LONGEST_SPEC:
        return {}
    try:
        plain = json.loads(env_spec)
    except (ValueError, RecursionError):
        return {}
    return plain if isinstance(plain, dict) else {}


def _name(env_spec: Any) -> Any:
    return _parsed(env_spec).get("id")


def _known_layers(layers: list[dict[str, dict[str, Any]]]) -> bool:
    """Whether all layers are those of offctx, with arguments that they have."""
    return all(name in _LAYERS and set(arguments) <= _LAYERS[name] for layer in layers for name, arguments in layer.items())


def _numbers(value: Any) -> bool:
    """Whether arguments are numbers, not so large that an environment could be too large to make, or lists of them."""
    if isinstance(value, dict):
        return all(_numbers(each) for each in value.values())
    if isinstance(value, list):
        return len(value) <= _LONGEST_LIST and all(isinstance(each, int | float) and _numbers(each) for each in value)
    return isinstance(value, bool | int | float) and math.isfinite(value) and abs(value) <= _LARGEST_NUMBER


def _is_limit(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value < 2**31


def _cut(code: str) -> str:
    return code if len(code) <= 400 else f"{code[:400]}..."
