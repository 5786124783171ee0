"""Reward contexts in MuJoCo: the body is the same in every context, the task changes. Source: arXiv 2507.07348.

This is the common part; each family has a file of its own.

Dimensions: N rows, s state, o observation, a action, p context, k offset.
"""

from abc import abstractmethod

import mujoco
import numpy as np

from offctx.contexts.space import Contexts, ContextSpace
from offctx.envs.base import Array
from offctx.envs.mujoco.family import MujocoFamily


class RewardContext(MujocoFamily):
    """A family whose context changes only the progress term of the reward.

    Next observations have derivative zero along the context; the derivative of the reward has a closed form.
    """

    has_derivatives = True
    derivative_source = "closed form"
    context_space: ContextSpace

    @abstractmethod
    def progress(self, states: Array, next_states: Array, contexts: Contexts) -> tuple[Array, Array]:
        """The term of the reward that depends on the context.

        Args:
            states: (N, s).
            next_states: (N, s).
            contexts: (N, p).

        Returns:
            The term (N,), and its derivative along the context (N, p).
        """

    def _apply(self, model: mujoco.MjModel, data: mujoco.MjData, context: Contexts) -> None:
        """Changes nothing: the model is the same in every context."""

    def _rewards(self, states: Array, actions: Array, next_states: Array, contexts: Contexts) -> Array:
        return self.progress(states, next_states, contexts)[0] - self.task.costs(actions, next_states)

    def derivatives(self, states: Array, actions: Array, contexts: Array, noise: Array | None = None) -> tuple[Array, Array]:
        """Derivatives along the context: of next observations, zeros (N, o, p), and of rewards, in closed form (N, p)."""
        next_states = self.simulator.step(states, actions, contexts)
        (o,) = self.observation_space.shape or ()
        dreward = self.progress(states, next_states, contexts)[1]
        return np.zeros((len(states), o, self.context_space.size)), dreward


def closeness(offsets: Array) -> tuple[Array, Array]:
    """1 - sqrt(1 + |offset|^2), which is 0 at best.

    Args:
        offsets: (N, k).

    Returns:
        The closeness (N,), and its derivative along the offset (N, k).
    """
    root = np.sqrt(1 + (offsets**2).sum(axis=1))
    return 1 - root, -offsets / root[:, None]


def unit_circle(n: int = 16) -> Array:
    """n equidistant points on the unit circle, counterclockwise from (1, 0): (n, 2)."""
    angles = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)
