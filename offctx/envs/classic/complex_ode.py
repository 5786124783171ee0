"""ComplexODE: a number driven by powers of a complex action with unknown coefficients. Source: arXiv 2602.06550 (ODE-k)."""

from typing import ClassVar

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from offctx.checks import whole_number
from offctx.contexts.aib import with_aib_splits
from offctx.contexts.space import ContextSpace
from offctx.envs.base import Array
from offctx.envs.differentiable import DifferentiableEnv
from offctx.errors import EnvError


def _context_space(k: int) -> ContextSpace:
    """k coefficients, with the benchmark's splits."""
    names = [f"c{power}" for power in range(k)]
    space = ContextSpace(names, -10.0, 10.0, np.zeros(k), kinds="dynamics")
    return with_aib_splits(space, dict.fromkeys(names, (-5.0, 5.0)))


class ComplexODE(DifferentiableEnv):
    """x' = clip(x + 0.01 Re(c0 a + c1 a^2 + ... + c_{k-1} a^k)), clipped to [-20, 20]; a = a_1 + i a_2, actions in [-1, 1]^2.

    The coefficients are real. At the default context, all zero, no action moves x; where the signs of all coefficients
    change, a good action becomes a bad one.

    Reward, on the new |x'|: 1 below 0.05, 1/2 below 0.1, 1/3 below 0.2, 1/4 below 0.5, 0.05 below 2, else 0. So the reward has
    derivative zero. Where x' is clipped, its derivative is zero.
    State and observation (x,). Start: x uniform in [-1, 1]; 200 steps an episode, never terminated.
    Splits: `offctx.aib_splits` with coefficients of [-5, 5] for training.

    Args:
        k: how many coefficients, the highest power.

    Raises:
        EnvError: k is no whole number from 1 on.

    Example::

        env = gymnasium.make("offctx/ComplexODE-v0", k=4)
    """

    observation_space: ClassVar[spaces.Box] = spaces.Box(-20.0, 20.0, (1,), np.float32)  # type: ignore[misc]  # one for all
    action_space: ClassVar[spaces.Box] = spaces.Box(-1.0, 1.0, (2,), np.float32)  # type: ignore[misc]  # one for all

    context_space = _context_space(2)  # of the default k

    step_size = 0.01
    limit = 20.0
    steps_of_reward = ((2.0, 0.05), (0.5, 1 / 4), (0.2, 1 / 3), (0.1, 1 / 2), (0.05, 1.0))  # below which |x'|, which reward

    def __init__(self, k: int = 2) -> None:
        super().__init__(_context_space(whole_number(k, "k", 1, EnvError)))

    def initial_state(self, rng: np.random.Generator, context: Tensor) -> Array:
        """Uniform in [-1, 1]."""
        return rng.uniform(-1.0, 1.0, (*context.shape[:-1], 1))

    def transition(self, state: Tensor, action: Tensor, context: Tensor) -> Tensor:
        """x + 0.01 Re(c0 a + c1 a^2 + ...), by Horner's rule on real and imaginary parts."""
        real, imaginary = action.unbind(-1)
        sum_real = sum_imaginary = torch.zeros_like(real)
        for coefficient in reversed(context.unbind(-1)):
            inner = sum_real + coefficient
            sum_real, sum_imaginary = inner * real - sum_imaginary * imaginary, inner * imaginary + sum_imaginary * real
        return (state + self.step_size * sum_real[..., None]).clamp(-self.limit, self.limit)

    def reward(self, state: Tensor, action: Tensor, next_state: Tensor, context: Tensor) -> Tensor:
        """The steps of the reward, from the widest interval to the narrowest."""
        distance = next_state[..., 0].abs().detach()
        reward = torch.zeros_like(distance)
        for width, step_reward in self.steps_of_reward:
            reward = torch.where(distance < width, step_reward, reward)
        return reward
