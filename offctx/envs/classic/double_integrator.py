"""DoubleIntegrator: a point in the plane whose actuators may be inverted. Source: arXiv 2602.06550 (DI-sparse)."""

from torch import Tensor

from offctx.contexts.aib import with_aib_splits
from offctx.contexts.space import ContextSpace
from offctx.envs.classic.corner_start import CornerStart


class DoubleIntegrator(CornerStart):
    """p' = clip(p + dt v), v' = clip(v + dt clip(action_factor a) / mass), each clipped to [-1, 1]; dt = 0.1 s, no friction.

    With action_factor -1 each push goes the other way: a policy that does not know the factor leaves the goal.

    Reward: 1 where the new position is within 0.1 of the origin, else 0.
    State and observation (p_x, p_y [m], v_x, v_y [m/s]); actions in [-1, 1]^2 [N].
    Start: at rest in one of the four corners, |p_x| and |p_y| uniform in [0.8, 1]; 100 steps an episode, never terminated.
    Splits: `offctx.aib_splits` with masses of [0.5, 1.5] for training.
    """

    context_space = with_aib_splits(
        ContextSpace(
            names=["mass", "action_factor"],
            low=(0.1, -1.0),
            high=(2.0, 1.0),
            default=(1.0, 1.0),
            units=["kg", ""],
            constraints=["mass > 0"],
            discrete={"action_factor": [-1.0, 1.0]},
            kinds="dynamics",
        ),
        {"mass": (0.5, 1.5)},
    )

    def transition(self, state: Tensor, action: Tensor, context: Tensor) -> Tensor:
        """The force is the action times the factor, clipped to [-1, 1]."""
        mass, factor = context[..., :1], context[..., 1:].detach()
        return self.pushed(state, (factor * action).clamp(-1.0, 1.0), mass)
