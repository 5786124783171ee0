"""Reward contexts in MuJoCo: the body stays what it is, the task changes. Source: arXiv 2507.07348.

Dimensions: N rows, s state, a action, p context.
"""

from abc import abstractmethod
from typing import ClassVar

import mujoco
import numpy as np

from offctx.contexts.space import Contexts, ContextSpace
from offctx.envs.base import Array
from offctx.envs.mujoco.family import MujocoFamily

_ANGLES = np.linspace(0, 2 * np.pi, 16, endpoint=False)
_CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)


class RewardContext(MujocoFamily):
    """The context enters the reward's progress term only: next observations have derivative zero, rewards a closed form."""

    has_derivatives = True
    derivative_source = "closed form"
    context_space: ContextSpace

    @abstractmethod
    def progress(self, states: Array, following: Array, contexts: Contexts) -> tuple[Array, Array]:
        """The term of the reward that the context shapes (N,), and its derivative along the context (N, p)."""

    def _apply(self, model: mujoco.MjModel, data: mujoco.MjData, context: Contexts) -> None:
        """The model is the same in every context."""

    def _rewards(self, states: Array, actions: Array, following: Array, contexts: Contexts) -> Array:
        return self.progress(states, following, contexts)[0] - self.task.costs(actions, following)

    def derivatives(self, states: Array, actions: Array, contexts: Array, noise: Array | None = None) -> tuple[Array, Array]:
        following = self.simulator.step(states, actions, contexts)
        (o,) = self.observation_space.shape or ()
        return np.zeros((len(states), o, self.context_space.size)), self.progress(states, following, contexts)[1]


def _near(offset: Array) -> tuple[Array, Array]:
    """1 - sqrt(1 + |offset|^2) of offsets (N, k), 0 at best, and its derivative (N, k) along the offset."""
    root = np.sqrt(1 + (offset**2).sum(axis=1))
    return 1 - root, -offset / root[:, None]


class CheetahVelocity(RewardContext):
    """HalfCheetah-v5 that is to run at a target speed c: 1 - sqrt(1 + (v_x - c)^2) minus the cost of control."""

    context_space = ContextSpace(["target_speed"], -3.0, 3.0, 2.0, ["m/s"])

    def __init__(self, *, threads: int | None = None) -> None:
        super().__init__("HalfCheetah-v5", threads=threads)

    def progress(self, states: Array, following: Array, contexts: Contexts) -> tuple[Array, Array]:
        term, slope = _near(self.task.velocities(states, following) - contexts)
        return term, -slope


class AntDirection(RewardContext):
    """Ant-v5 that is to run in a direction c, a unit vector: c . v_xy plus health, minus costs of control and contact.

    The split "sweep_angle" goes once around; contexts between, of any length, make sense to the reward and to CSE.
    """

    context_space: ClassVar[ContextSpace] = ContextSpace(  # type: ignore[misc]  # one for all
        ["direction_x", "direction_y"],
        -1.0,
        1.0,
        (1.0, 0.0),
        splits={"train": [[1.0, 0.0]], "sweep_angle": np.clip(_CIRCLE, -1, 1)},
    )

    def __init__(self, *, threads: int | None = None) -> None:
        super().__init__("Ant-v5", threads=threads)

    def progress(self, states: Array, following: Array, contexts: Contexts) -> tuple[Array, Array]:
        velocities = self.task.velocities(states, following)
        return self.task.with_health((velocities * contexts).sum(axis=1), following), velocities


class AntGoal(RewardContext):
    """Ant-v5 that is to reach a place c: 1 - sqrt(1 + |xy - c|^2) minus costs of control and contact.

    It sees where it is (x, y first in the observation), earns nothing for being upright, and is never stopped.
    """

    context_space: ClassVar[ContextSpace] = ContextSpace(  # type: ignore[misc]  # one for all
        ["goal_x", "goal_y"],
        -3.0,
        3.0,
        (3.0, 0.0),
        ["m", "m"],
        splits={"train": [[3.0, 0.0]], "sweep_angle": np.clip(3 * _CIRCLE, -3, 3)},
    )

    def __init__(self, *, threads: int | None = None) -> None:
        super().__init__(
            "Ant-v5", threads=threads, exclude_current_positions_from_observation=False, terminate_when_unhealthy=False
        )

    def progress(self, states: Array, following: Array, contexts: Contexts) -> tuple[Array, Array]:
        x = self.simulator.layout.qpos.start
        term, slope = _near(following[:, x : x + 2] - contexts)
        return term, -slope
