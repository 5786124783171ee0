"""A point mass in the plane that two thrusters push: the common part of RotatedThrusters and PointGoal."""

from typing import ClassVar

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from offctx.envs.base import Array
from offctx.envs.differentiable import DifferentiableEnv


class PointMass(DifferentiableEnv):
    """v' = v + dt (force - damping v), p' = p + dt v'; mass 1 kg, dt = 0.1 s, damping 0.2 1/s.

    State and observation (p_x, p_y [m], v_x, v_y [m/s]). Actions in [-1, 1]^2.
    """

    observation_space: ClassVar[spaces.Box] = spaces.Box(-np.inf, np.inf, (4,), np.float32)  # type: ignore[misc]  # one for all
    action_space: ClassVar[spaces.Box] = spaces.Box(-1.0, 1.0, (2,), np.float32)  # type: ignore[misc]  # one for all

    dt = 0.1  # s
    damping = 0.2  # 1/s

    def initial_state(self, rng: np.random.Generator, context: Tensor) -> Array:
        """p uniform in [-1, 1]^2, v uniform in [-0.5, 0.5]^2."""
        return rng.uniform((-1, -1, -0.5, -0.5), (1, 1, 0.5, 0.5), (*context.shape[:-1], 4))

    def pushed(self, state: Tensor, force: Tensor) -> Tensor:
        """The next states (..., 4) under forces (..., 2) [N]."""
        position, velocity = state[..., :2], state[..., 2:]
        velocity = velocity + self.dt * (force - self.damping * velocity)
        return torch.cat([position + self.dt * velocity, velocity], dim=-1)


def cost_of_distance(offset: Tensor, velocity: Tensor) -> Tensor:
    """|offset|^2 + 0.1 |velocity|^2 (...,), of offsets from the target (..., 2) and velocities (..., 2)."""
    return (offset**2).sum(-1) + 0.1 * (velocity**2).sum(-1)
