"""Contextual environments and their context derivatives. Importing this registers the Gymnasium ids `offctx/...`."""

import importlib
from typing import Any

import gymnasium

from offctx.envs import testing
from offctx.envs.base import ContextualEnv
from offctx.envs.cart_goal import CartGoal
from offctx.envs.differentiable import DifferentiableEnv
from offctx.envs.pendulum_goal import PendulumGoal
from offctx.envs.simple_direction import SimpleDirection, SimpleDirectionStochastic
from offctx.envs.wrappers import AppendContext, CycleContexts, LabelTransitions, RandomContexts

__all__ = [
    "AntDirection",
    "AntGoal",
    "AppendContext",
    "CartGoal",
    "CheetahVelocity",
    "ContextualEnv",
    "CycleContexts",
    "DifferentiableEnv",
    "LabelTransitions",
    "MujocoPhysics",
    "PendulumGoal",
    "RandomContexts",
    "SimpleDirection",
    "SimpleDirectionStochastic",
    "testing",
]

for _class, _steps in ((SimpleDirection, 10), (SimpleDirectionStochastic, 10), (PendulumGoal, 200), (CartGoal, 500)):
    gymnasium.register(
        id=f"offctx/{_class.__name__}-v0",
        entry_point=f"{_class.__module__}:{_class.__name__}",
        max_episode_steps=_steps,
    )

_MUJOCO = ("AntDirection", "AntGoal", "CheetahVelocity", "MujocoPhysics")

for _name in _MUJOCO[:-1]:
    gymnasium.register(
        id=f"offctx/{_name}-v0", entry_point=f"offctx.envs.mujoco.reward_contexts:{_name}", max_episode_steps=1000
    )
for _name in ("HalfCheetah", "Hopper", "Walker2d", "Ant"):
    gymnasium.register(
        id=f"offctx/{_name}Physics-v0",
        entry_point="offctx.envs.mujoco.physics:MujocoPhysics",
        max_episode_steps=1000,
        kwargs={"gymnasium_id": f"{_name}-v5", "parameters": ["gravity", "mass", "friction", "gear"]},
    )


def __getattr__(name: str) -> Any:
    """The MuJoCo families on first use: the others do without MuJoCo."""
    if name in _MUJOCO:
        return getattr(importlib.import_module("offctx.envs.mujoco"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
