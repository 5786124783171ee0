"""The environments that offctx ships: one row each.

To add one, write its file and add its row. Its Gymnasium id, its export from `offctx.envs`, the contract suite and the
derivative tests follow from the row.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import gymnasium

_PHYSICS = ("gravity", "mass", "friction", "gear")


@dataclass(frozen=True)
class Row:
    """One environment.

    Attributes:
        name: of the Gymnasium id, `offctx/<name>-v0`.
        module: where its class is defined, below `offctx.envs`.
        class_name: of its class; `name` where not given.
        horizon: steps after which Gymnasium truncates an episode.
        arguments: of the class.
    """

    name: str
    module: str
    horizon: int
    class_name: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The Gymnasium id."""
        return f"offctx/{self.name}-v0"

    @property
    def entry_point(self) -> str:
        """The class by its public name, so that the metadata of a dataset stays valid when a file moves."""
        return f"offctx.envs:{self.class_name or self.name}"


def _physics(body: str) -> Row:
    arguments = {"gymnasium_id": f"{body}-v5", "parameters": list(_PHYSICS)}
    return Row(f"{body}Physics", "mujoco.physics", 1000, "MujocoPhysics", arguments)


ENVIRONMENTS = (
    Row("SimpleDirection", "classic.simple_direction", 10),
    Row("SimpleDirectionStochastic", "classic.simple_direction", 10),
    Row("PendulumGoal", "classic.pendulum_goal", 200),
    Row("CartGoal", "classic.cart_goal", 500),
    Row("AntDirection", "mujoco.reward_contexts", 1000),
    Row("AntGoal", "mujoco.reward_contexts", 1000),
    Row("CheetahVelocity", "mujoco.reward_contexts", 1000),
    _physics("HalfCheetah"),
    _physics("Hopper"),
    _physics("Walker2d"),
    _physics("Ant"),
)

# From each class to its module.
CLASSES = {row.class_name or row.name: f"offctx.envs.{row.module}" for row in ENVIRONMENTS}


def register() -> None:
    """Register the ids with Gymnasium; those that are registered already stay as they are."""
    for row in ENVIRONMENTS:
        if row.id not in gymnasium.registry:
            gymnasium.register(row.id, entry_point=row.entry_point, max_episode_steps=row.horizon, kwargs=dict(row.arguments))
