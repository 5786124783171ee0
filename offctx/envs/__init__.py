"""Contextual environments and their context derivatives. Importing this registers the Gymnasium ids `offctx/...`."""

import gymnasium

from offctx.envs import testing
from offctx.envs.base import ContextualEnv
from offctx.envs.differentiable import DifferentiableEnv
from offctx.envs.pendulum_goal import PendulumGoal
from offctx.envs.simple_direction import SimpleDirection, SimpleDirectionStochastic
from offctx.envs.wrappers import AppendContext, CycleContexts

__all__ = [
    "AppendContext",
    "ContextualEnv",
    "CycleContexts",
    "DifferentiableEnv",
    "PendulumGoal",
    "SimpleDirection",
    "SimpleDirectionStochastic",
    "testing",
]

for _class, _steps in ((SimpleDirection, 10), (SimpleDirectionStochastic, 10), (PendulumGoal, 200)):
    gymnasium.register(
        id=f"offctx/{_class.__name__}-v0",
        entry_point=f"{_class.__module__}:{_class.__name__}",
        max_episode_steps=_steps,
    )
