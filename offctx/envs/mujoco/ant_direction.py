"""AntDirection: Ant-v5 with a direction to run in. Source: arXiv 2507.07348."""

from typing import ClassVar

import numpy as np

from offctx.contexts.space import Contexts, ContextSpace
from offctx.envs.base import Array
from offctx.envs.mujoco.reward_context import RewardContext, unit_circle


class AntDirection(RewardContext):
    """Ant-v5 with the task of running in direction c, a unit vector.

    Reward: c . v_xy plus health, minus costs of control and contact.

    The split "sweep_angle" goes once around the circle. The reward and CSE also accept contexts of other lengths.

    Args:
        threads: for batched simulation; as many as there are cores where not given.
    """

    context_space: ClassVar[ContextSpace] = ContextSpace(  # type: ignore[misc]  # one for all
        ["direction_x", "direction_y"],
        -1.0,
        1.0,
        (1.0, 0.0),
        kinds="reward",
        splits={"train": [[1.0, 0.0]], "sweep_angle": np.clip(unit_circle(), -1, 1)},
    )

    def __init__(self, *, threads: int | None = None) -> None:
        super().__init__("Ant-v5", threads=threads)

    def progress(self, states: Array, next_states: Array, contexts: Contexts) -> tuple[Array, Array]:
        """c . v_xy plus health (N,), and its derivative along c, v_xy (N, 2)."""
        velocities = self.task.velocities(states, next_states)
        return self.task.with_health((velocities * contexts).sum(axis=1), next_states), velocities
