"""A point in the plane that starts in a corner and is rewarded near the origin: the common part of the double integrators."""

from typing import ClassVar

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from offctx.envs.base import Array
from offctx.envs.differentiable import DifferentiableEnv


class CornerStart(DifferentiableEnv):
    """p' = clip(p + dt v), v' = clip(v + dt force / mass), both within [-1, 1]: explicit Euler steps of 0.1 s.

    The position moves with the old velocity. A subclass says what force an action gives; the context begins with the mass.

    Reward: 1 where the new position is within 0.1 of the origin, else 0. So the reward has derivative zero.
    State and observation (p_x, p_y [m], v_x, v_y [m/s]). Actions in [-1, 1]^2 [N].
    Start: at rest in one of the four corners, each with the same probability, |p_x| and |p_y| uniform in [0.8, 1].
    Where a velocity is clipped, its derivative is zero.
    """

    observation_space: ClassVar[spaces.Box] = spaces.Box(-1.0, 1.0, (4,), np.float32)  # type: ignore[misc]  # one for all
    action_space: ClassVar[spaces.Box] = spaces.Box(-1.0, 1.0, (2,), np.float32)  # type: ignore[misc]  # one for all

    dt = 0.1  # s
    goal_radius = 0.1  # m

    def initial_state(self, rng: np.random.Generator, context: Tensor) -> Array:
        """At rest in one of the four corners."""
        shape = (*context.shape[:-1], 2)
        corner = 2 * rng.integers(0, 2, shape) - 1
        return np.concatenate([corner * rng.uniform(0.8, 1.0, shape), np.zeros(shape)], axis=-1)

    def pushed(self, state: Tensor, force: Tensor, mass: Tensor) -> Tensor:
        """The next states (..., 4) under forces (..., 2) [N] on masses (..., 1) [kg]."""
        position, velocity = state[..., :2], state[..., 2:]
        moved = torch.cat([position + self.dt * velocity, velocity + self.dt * force / mass], dim=-1)
        return moved.clamp(-1.0, 1.0)

    def reward(self, state: Tensor, action: Tensor, next_state: Tensor, context: Tensor) -> Tensor:
        """1 where |p'| < 0.1, else 0."""
        distance = next_state[..., :2].detach().square().sum(-1).sqrt()
        return (distance < self.goal_radius).to(state.dtype)
