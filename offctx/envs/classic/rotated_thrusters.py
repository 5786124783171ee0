"""RotatedThrusters: a point mass whose thrusters are mounted at an unknown angle. The context decides what an action does."""

import numpy as np
import torch
from torch import Tensor

from offctx.contexts.space import ContextSpace
from offctx.envs.classic.point_mass import PointMass, cost_of_distance


class RotatedThrusters(PointMass):
    """v' = v + dt (gain R(theta) a + wind - damping v), p' = p + dt v', with R(theta) the rotation by theta, a in [-1, 1]^2.

    A policy that does not know theta pushes in the wrong direction, at pi / 2 sideways. Up to there strongly damped feedback
    still reaches the target, later than a policy that knows theta does.

    Reward, on the new state: -|p'|^2 - 0.1 |v'|^2.
    State and observation (p_x, p_y [m], v_x, v_y [m/s]). Mass 1 kg, dt = 0.1 s, damping 0.2 1/s.
    Start: p uniform in [-1, 1]^2, v uniform in [-0.5, 0.5]^2; 100 steps an episode.
    """

    context_space = ContextSpace(
        names=["theta", "gain", "wind_x", "wind_y"],
        low=(-np.pi / 2, 0.5, -0.3, -0.3),
        high=(np.pi / 2, 2.0, 0.3, 0.3),
        default=(0.0, 1.0, 0.0, 0.0),
        units=["rad", "N", "N", "N"],
        kinds="dynamics",
    )

    def transition(self, state: Tensor, action: Tensor, context: Tensor) -> Tensor:
        """v' = v + dt (gain R(theta) a + wind - damping v), then p' = p + dt v'."""
        theta, gain, wind = context[..., 0], context[..., 1:2], context[..., 2:]
        cos, sin = torch.cos(theta), torch.sin(theta)
        a_x, a_y = action.unbind(-1)
        thrust = gain * torch.stack([cos * a_x - sin * a_y, sin * a_x + cos * a_y], dim=-1)
        return self.pushed(state, thrust + wind)

    def reward(self, state: Tensor, action: Tensor, next_state: Tensor, context: Tensor) -> Tensor:
        """-|p'|^2 - 0.1 |v'|^2."""
        return -cost_of_distance(next_state[..., :2], next_state[..., 2:])
