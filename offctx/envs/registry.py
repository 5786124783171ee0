"""The environments that offctx ships: one row each.

To add an environment, write its file (such as `classic/my_env.py`), its test, and its row in `ENVIRONMENTS`. From the row
follow its Gymnasium id, its export from `offctx.envs`, and the tests that every environment must pass: the contract suite
and the derivatives (`tests/envs/test_registry.py`).

This module imports no environment, and so neither torch nor mujoco.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import gymnasium

VARIANTS = {"Inverted": "action_factor", "Permuted": "permutation"}  # from the ending of a name to the actuator coordinate


@dataclass(frozen=True)
class RegistryRow:
    """One environment.

    Attributes:
        name: the environment's name, `offctx/<name>-v0` in Gymnasium.
        module: where its class is defined, below `offctx.envs`, such as "classic.pendulum_goal".
        horizon: steps after which Gymnasium truncates an episode.
        class_name: the name of its class, exported from `offctx.envs`; `name` where not given.
        arguments: keyword arguments of the class.
        extra: of offctx, which must be installed to make it; `context_space` is an attribute of its class.
        variants: which of `VARIANTS` have an id, `offctx/<name><variant>-v0`, an `ActuatorContexts` around this environment.
            Leave out what the environment has already, and "Permuted" where it has one action, or two Discrete ones.

    Example::

        RegistryRow("PendulumGoal", "classic.pendulum_goal", horizon=200)
    """

    name: str
    module: str
    horizon: int
    class_name: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    extra: str = ""
    variants: tuple[str, ...] = tuple(VARIANTS)

    def __post_init__(self) -> None:
        if not self.class_name:
            object.__setattr__(self, "class_name", self.name)

    @property
    def id(self) -> str:
        """The Gymnasium id."""
        return f"offctx/{self.name}-v0"

    def variant_id(self, variant: str) -> str:
        """The Gymnasium id of a variant."""
        return f"offctx/{self.name}{variant}-v0"

    @property
    def entry_point(self) -> str:
        """The class by its public name, so that the metadata of a dataset stays valid when a file moves."""
        return f"offctx.envs:{self.class_name}"


def _physics(body: str) -> RegistryRow:
    """A Gymnasium MuJoCo environment with four physical parameters as its context."""
    arguments = {"gymnasium_id": f"{body}-v5", "parameters": ["gravity", "mass", "friction", "gear"]}
    return RegistryRow(f"{body}Physics", "mujoco.physics", 1000, "MujocoPhysics", arguments)


def _rotated_reacher() -> RegistryRow:
    """Reacher, whose two motors get a rotated action; beyond 1 rad a good policy at rotation 0 is worse than no action."""
    bounds = {"rotation": (-2.0, 2.0), "gear": (0.5, 2.0)}
    arguments = {"gymnasium_id": "Reacher-v5", "parameters": bounds}
    return RegistryRow("RotatedReacher", "mujoco.physics", 50, "MujocoPhysics", arguments)


def _dm_control(name: str, module: str, *variants: str) -> RegistryRow:
    """A task of DeepMind Control's suite."""
    return RegistryRow(name, f"dm_control.{module}", 1000, extra="dm-control", variants=variants)


ENVIRONMENTS = (
    RegistryRow("SimpleDirection", "classic.simple_direction", 10),
    RegistryRow("SimpleDirectionStochastic", "classic.simple_direction", 10),
    RegistryRow("PendulumGoal", "classic.pendulum_goal", 200, variants=("Inverted",)),
    RegistryRow("CartGoal", "classic.cart_goal", 500, variants=("Inverted",)),
    RegistryRow("RotatedThrusters", "classic.rotated_thrusters", 100),
    RegistryRow("PointGoal", "classic.point_goal", 100),
    RegistryRow("DoubleIntegrator", "classic.double_integrator", 100, variants=()),
    RegistryRow("DoubleIntegratorFriction", "classic.double_integrator_friction", 100),
    RegistryRow("DoubleIntegratorPermuted", "classic.double_integrator_permuted", 100, variants=("Inverted",)),
    RegistryRow("ComplexODE", "classic.complex_ode", 200),
    RegistryRow("AntDirection", "mujoco.ant_direction", 1000),
    RegistryRow("AntGoal", "mujoco.ant_goal", 1000),
    RegistryRow("CheetahVelocity", "mujoco.cheetah_velocity", 1000),
    _physics("HalfCheetah"),
    _physics("Hopper"),
    _physics("Walker2d"),
    _physics("Ant"),
    _rotated_reacher(),
    RegistryRow("HopperGravity", "mujoco.gravity_and_strength", 1000),
    RegistryRow("Walker2dGravity", "mujoco.gravity_and_strength", 1000),
    _dm_control("CartpoleBalance", "cartpole_balance"),
    _dm_control("BallInCupCatch", "ball_in_cup_catch", "Inverted", "Permuted"),
    _dm_control("WalkerWalk", "walker_walk", "Inverted", "Permuted"),
    _dm_control("CheetahRun", "cheetah_run", "Permuted"),
    _dm_control("ReacherEasy", "reacher", "Permuted"),
    _dm_control("ReacherHard", "reacher"),
    _dm_control("ReacherHardPermuted", "reacher", "Inverted"),
)


def class_modules() -> dict[str, str]:
    """From the name of each registered class to the module that defines it."""
    return {row.class_name: f"offctx.envs.{row.module}" for row in ENVIRONMENTS}


def register() -> None:
    """Registers the ids with Gymnasium. An id that is registered already stays as it is."""
    for row in ENVIRONMENTS:
        if row.id not in gymnasium.registry:
            gymnasium.register(row.id, entry_point=row.entry_point, max_episode_steps=row.horizon, kwargs=dict(row.arguments))
    for row in ENVIRONMENTS:
        for variant in row.variants:
            if row.variant_id(variant) not in gymnasium.registry:
                arguments = {"env": row.id, "actuators": [VARIANTS[variant]]}
                entry_point = "offctx.envs:ActuatorContexts"
                gymnasium.register(row.variant_id(variant), entry_point, max_episode_steps=row.horizon, kwargs=arguments)
