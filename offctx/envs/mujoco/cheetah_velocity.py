"""CheetahVelocity: HalfCheetah-v5 with a target speed. Source: arXiv 2507.07348."""

from offctx.contexts.space import Contexts, ContextSpace
from offctx.envs.base import Array
from offctx.envs.mujoco.reward_context import RewardContext, closeness


class CheetahVelocity(RewardContext):
    """HalfCheetah-v5 that shall run at a target speed c: reward 1 - sqrt(1 + (v_x - c)^2) minus the cost of control.

    Args:
        threads: for batched simulation; as many as there are cores where not given.
    """

    context_space = ContextSpace(["target_speed"], -3.0, 3.0, 2.0, ["m/s"], kinds="reward")

    def __init__(self, *, threads: int | None = None) -> None:
        super().__init__("HalfCheetah-v5", threads=threads)

    def progress(self, states: Array, next_states: Array, contexts: Contexts) -> tuple[Array, Array]:
        """1 - sqrt(1 + (v_x - c)^2) (N,), and its derivative along c (N, 1)."""
        term, slope = closeness(self.task.velocities(states, next_states) - contexts)
        return term, -slope
