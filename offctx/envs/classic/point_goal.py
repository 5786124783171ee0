"""PointGoal: a point mass that shall fly to a goal. The context changes the reward alone."""

from torch import Tensor

from offctx.contexts.space import ContextSpace
from offctx.envs.classic.point_mass import PointMass, cost_of_distance


class PointGoal(PointMass):
    """v' = v + dt (a - damping v), p' = p + dt v': the point mass of RotatedThrusters, without rotation, wind and gain.

    The goal is not observed: a policy that does not know the context cannot find it.

    Reward, on the new state: -|p' - goal|^2 - 0.1 |v'|^2.
    State and observation (p_x, p_y [m], v_x, v_y [m/s]). Mass 1 kg, dt = 0.1 s, damping 0.2 1/s.
    Start: p uniform in [-1, 1]^2, v uniform in [-0.5, 0.5]^2; 100 steps an episode.
    """

    context_space = ContextSpace(["goal_x", "goal_y"], -1.0, 1.0, (0.0, 0.0), ["m", "m"], kinds="reward")

    def transition(self, state: Tensor, action: Tensor, context: Tensor) -> Tensor:
        """v' = v + dt (a - damping v), then p' = p + dt v'."""
        return self.pushed(state, action)

    def reward(self, state: Tensor, action: Tensor, next_state: Tensor, context: Tensor) -> Tensor:
        """-|p' - goal|^2 - 0.1 |v'|^2."""
        return -cost_of_distance(next_state[..., :2] - context, next_state[..., 2:])
