"""AntGoal: Ant-v5 with a place to reach. Source: arXiv 2507.07348."""

from typing import ClassVar

import numpy as np

from offctx.contexts.space import Contexts, ContextSpace
from offctx.envs.base import Array
from offctx.envs.mujoco.reward_context import RewardContext, closeness, unit_circle


class AntGoal(RewardContext):
    """Ant-v5 that shall reach a place c: reward 1 - sqrt(1 + |xy - c|^2) minus costs of control and contact.

    The observation begins with x and y. There is no reward for being upright, and no termination.

    Args:
        threads: for batched simulation; as many as there are cores where not given.
    """

    context_space: ClassVar[ContextSpace] = ContextSpace(  # type: ignore[misc]  # one for all
        ["goal_x", "goal_y"],
        -3.0,
        3.0,
        (3.0, 0.0),
        ["m", "m"],
        kinds="reward",
        splits={"train": [[3.0, 0.0]], "sweep_angle": np.clip(3 * unit_circle(), -3, 3)},
    )

    def __init__(self, *, threads: int | None = None) -> None:
        super().__init__(
            "Ant-v5", threads=threads, exclude_current_positions_from_observation=False, terminate_when_unhealthy=False
        )

    def progress(self, states: Array, next_states: Array, contexts: Contexts) -> tuple[Array, Array]:
        """1 - sqrt(1 + |xy - c|^2) (N,), and its derivative along c (N, 2)."""
        x = self.simulator.layout.qpos.start
        term, slope = closeness(next_states[:, x : x + 2] - contexts)
        return term, -slope
