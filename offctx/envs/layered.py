"""An environment with `ActuatorContexts` and `ObservationContexts` around it, from plain arguments."""

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium

from offctx.envs.actuator_contexts import ActuatorContexts
from offctx.envs.observation_contexts import ObservationContexts

_CLASSES = {"ActuatorContexts": ActuatorContexts, "ObservationContexts": ObservationContexts}


def layered(
    env: str,
    layers: Sequence[Mapping[str, Mapping[str, Any]]],
    arguments: Mapping[str, Any] | None = None,
    horizon: int | None = None,
) -> gymnasium.Env[Any, Any]:
    """Makes an environment by its id, and the layers around it.

    Args:
        env: a Gymnasium id.
        layers: the innermost first; each a mapping from "ActuatorContexts" or "ObservationContexts" to its arguments.
        arguments: of the innermost environment.
        horizon: its time limit; None for that of its id.

    Raises:
        EnvError, ContextError: as the layers raise them.

    Example::

        env = layered("offctx/PendulumGoal-v0", [{"ObservationContexts": {"noise": [0, 0.5]}}], horizon=50)
    """
    wrapped: gymnasium.Env[Any, Any] = gymnasium.make(env, max_episode_steps=horizon, **(arguments or {}))
    for layer in layers:
        for name, settings in layer.items():
            wrapped = _CLASSES[name](wrapped, **settings)
    return wrapped
