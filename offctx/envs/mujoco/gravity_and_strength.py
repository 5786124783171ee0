"""Gymnasium's Hopper and Walker2d under other gravity, with stronger or weaker actuators. Source: arXiv 2602.06550.

HopperGravity and Walker2dGravity differ in the body alone.
"""

from typing import Any, ClassVar

import mujoco

from offctx.contexts.space import ContextSpace
from offctx.envs.gravity_and_strength_space import GRAVITY_AND_STRENGTH
from offctx.envs.mujoco.physics import MujocoPhysics


class GravityAndStrength(MujocoPhysics):
    """The common part: gravity [m/s^2], and `actuator_strength`, which multiplies the gears of all actuators.

    At the default context the environment is Gymnasium's with terminate_when_unhealthy=False, bit for bit. Context derivatives
    are central differences. Splits: `offctx.aib_splits` with [4.91, 14.71] m/s^2 and strengths of [0.5, 1.5] for training.

    Args:
        threads: for batched simulation; as many as there are cores where not given.
        make: arguments of `gymnasium.make` for Gymnasium's environment.
    """

    context_space: ContextSpace = GRAVITY_AND_STRENGTH
    gymnasium_id: ClassVar[str]

    def __init__(self, *, threads: int | None = None, **make: Any) -> None:
        arguments = {"terminate_when_unhealthy": False} | make
        super().__init__(self.gymnasium_id, ["gravity", "gear"], threads=threads, **arguments)

    def _prepare(self, model: mujoco.MjModel) -> None:
        super()._prepare(model)
        self.context_space = type(self).context_space  # the same two parameters, with the names, bounds and splits above


class HopperGravity(GravityAndStrength):
    """Gymnasium's Hopper-v5, which never ends an episode, under other gravity and with other actuator strength."""

    gymnasium_id = "Hopper-v5"


class Walker2dGravity(GravityAndStrength):
    """Gymnasium's Walker2d-v5, which never ends an episode, under other gravity and with other actuator strength."""

    gymnasium_id = "Walker2d-v5"
