"""Dosing: an MDP whose best actions are the same in all contexts, while the returns of contexts differ much."""

from typing import ClassVar

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor

from offctx.contexts.space import ContextSpace
from offctx.envs.differentiable import DifferentiableEnv


class Dosing(DifferentiableEnv):
    """A dose u in [-1, 1] changes the amount d of a drug, which moves a marker x towards 0.

    d' = 0.6 d + u, x' = x + 0.2 gain d', reward 2 level - x'^2 - 0.05 u^2. The context (level, gain) describes a patient:
    the level of the patient's health adds to every reward, and the gain scales the response to the drug. The best action
    does not depend on the level.
    """

    context_space = ContextSpace(["level", "gain"], (-1.0, 0.5), (1.0, 1.5), (0.0, 1.0))
    observation_space: ClassVar[spaces.Box] = spaces.Box(-np.inf, np.inf, (2,), np.float32)  # type: ignore[misc]  # one for all
    action_space: ClassVar[spaces.Box] = spaces.Box(-1.0, 1.0, (1,), np.float32)  # type: ignore[misc]  # one for all

    def initial_state(self, rng: np.random.Generator, context: Tensor) -> NDArray[np.float64]:
        return rng.uniform((-2.0, -0.5), (2.0, 0.5), (*context.shape[:-1], 2))

    def transition(self, state: Tensor, action: Tensor, context: Tensor) -> Tensor:
        x, drug = state.unbind(-1)
        drug = 0.6 * drug + action[..., 0]
        return torch.stack([x + 0.2 * context[..., 1] * drug, drug], dim=-1)

    def reward(self, state: Tensor, action: Tensor, next_state: Tensor, context: Tensor) -> Tensor:
        return 2 * context[..., 0] - next_state[..., 0] ** 2 - 0.05 * action[..., 0] ** 2
