"""SimpleDirection: a point that drifts in the direction of the context. Source: arXiv 2507.07348."""

from typing import ClassVar

import numpy as np
from gymnasium import spaces
from torch import Tensor

from offctx.contexts.space import ContextSpace
from offctx.envs.base import Array
from offctx.envs.differentiable import DifferentiableEnv


class SimpleDirection(DifferentiableEnv):
    """s' = s + a + c and r = s' . c, with a in [-1, 1]^2, s0 uniform in [-1, 1]^2, ten steps an episode.

    At the base context c0 = 0 every reward is 0: only its derivative shows where to go in another context.
    """

    context_space = ContextSpace(["c_x", "c_y"], -1.0, 1.0, (0.0, 0.0), kinds=[("dynamics", "reward")] * 2)
    observation_space: ClassVar[spaces.Box] = spaces.Box(-np.inf, np.inf, (2,), np.float32)  # type: ignore[misc]  # one for all
    action_space: ClassVar[spaces.Box] = spaces.Box(-1.0, 1.0, (2,), np.float32)  # type: ignore[misc]  # one for all

    def initial_state(self, rng: np.random.Generator, context: Tensor) -> Array:
        """Uniform in [-1, 1]^2."""
        return rng.uniform(-1.0, 1.0, (*context.shape[:-1], 2))

    def transition(self, state: Tensor, action: Tensor, context: Tensor) -> Tensor:
        """s' = s + a + c."""
        return state + action + context

    def reward(self, state: Tensor, action: Tensor, next_state: Tensor, context: Tensor) -> Tensor:
        """r = s' . c."""
        return (next_state * context).sum(-1)


class SimpleDirectionStochastic(SimpleDirection):
    """SimpleDirection with 0.1 N(0, I) on the next state and 0.1 N(0, 1) on the reward (of the noisy next state)."""

    noise_size = 3
    noise_scale = 0.1

    def transition(self, state: Tensor, action: Tensor, context: Tensor, noise: Tensor | None = None) -> Tensor:
        """s' = s + a + c + 0.1 z[:2]."""
        assert noise is not None
        return super().transition(state, action, context) + self.noise_scale * noise[..., :2]

    def reward(self, state: Tensor, action: Tensor, next_state: Tensor, context: Tensor, noise: Tensor | None = None) -> Tensor:
        """r = s' . c + 0.1 z[2]."""
        assert noise is not None
        return super().reward(state, action, next_state, context) + self.noise_scale * noise[..., 2]
