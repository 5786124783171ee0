"""DoubleIntegratorFriction: a point in the plane with friction. Source: arXiv 2602.06550 (DI-friction-sparse)."""

from torch import Tensor

from offctx.contexts.aib import with_aib_splits
from offctx.contexts.space import ContextSpace
from offctx.envs.classic.corner_start import CornerStart


class DoubleIntegratorFriction(CornerStart):
    """p' = clip(p + dt v), v' = clip(v + dt (a - friction v) / mass), each clipped to [-1, 1]; dt = 0.1 s.

    The source does not give the form of the friction; here it is viscous, a force against the velocity.

    Reward: 1 where the new position is within 0.1 of the origin, else 0.
    State and observation (p_x, p_y [m], v_x, v_y [m/s]); actions in [-1, 1]^2 [N].
    Start: at rest in one of the four corners, |p_x| and |p_y| uniform in [0.8, 1]; 100 steps an episode, never terminated.
    Splits: `offctx.aib_splits` with masses and frictions of [0.5, 1.5] for training.
    """

    context_space = with_aib_splits(
        ContextSpace(
            names=["mass", "friction"],
            low=0.1,
            high=2.0,
            default=(1.0, 1.0),
            units=["kg", "kg/s"],
            constraints=["mass > 0", "friction >= 0"],
            kinds="dynamics",
        ),
        {"mass": (0.5, 1.5), "friction": (0.5, 1.5)},
    )

    def transition(self, state: Tensor, action: Tensor, context: Tensor) -> Tensor:
        """The force is the action less friction times velocity."""
        mass, friction = context[..., :1], context[..., 1:]
        return self.pushed(state, action - friction * state[..., 2:], mass)
