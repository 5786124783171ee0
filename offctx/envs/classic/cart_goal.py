"""CartGoal: balance a pole on a cart, and bring the cart to a goal. Source: arXiv 2507.07348."""

import math
from typing import ClassVar

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from offctx.contexts.space import ContextSpace
from offctx.envs.base import Array
from offctx.envs.differentiable import DifferentiableEnv


class CartGoal(DifferentiableEnv):
    """The classic cart-pole with a goal for the cart, pushed by -10 N (action 0) or +10 N (action 1) for 0.02 s at a time.

    With pole of half-length l and no friction (Florian 2007, "Correct equations for the dynamics of the cart-pole system";
    Gymnasium's CartPole-v1), M = m_pole + m_cart:

        push    = (force + m_pole l theta_dot^2 sin(theta)) / M
        theta'' = (g sin(theta) - cos(theta) push) / (l (4/3 - m_pole cos^2(theta) / M))
        x''     = push - m_pole l theta'' cos(theta) / M

    by explicit Euler steps: positions move with the old velocities, so a new position does not depend on the context.
    Reward, on the new state as in the paper's other tasks: 2 - sqrt(1 + (x - goal)^2), also on the step that ends the episode.
    State and observation: x [m], x_dot [m/s], theta [rad], upright at 0, theta_dot [rad/s]; start uniform in [-0.05, 0.05]^4.
    The episode ends at a new state with |x| > 2.4 m or |theta| > 12 degrees, after 500 steps at most. The paper's goals reach
    to +-4 m, where the episode has ended: for such goals, staying near |x| = 2.4 m is best.
    """

    context_space = ContextSpace(
        names=["g", "m_pole", "m_cart", "l", "goal"],
        low=(1.0, 0.01, 0.25, 0.1, -4.0),
        high=(12.0, 2.0, 2.0, 2.0, 4.0),
        default=(10.0, 0.1, 1.0, 0.5, 0.0),
        units=["m/s^2", "kg", "kg", "m", "m"],
        kinds=["dynamics", "dynamics", "dynamics", "dynamics", "reward"],
    )
    observation_space: ClassVar[spaces.Box] = spaces.Box(-np.inf, np.inf, (4,), np.float32)  # type: ignore[misc]  # one for all
    action_space: ClassVar[spaces.Discrete] = spaces.Discrete(2)  # type: ignore[misc]  # one for all

    dt = 0.02  # s
    force = 10.0  # N
    edge = 2.4  # m
    tilt = math.radians(12)

    def initial_state(self, rng: np.random.Generator, context: Tensor) -> Array:
        """Uniform in [-0.05, 0.05]^4."""
        return rng.uniform(-0.05, 0.05, (*context.shape[:-1], 4))

    def transition(self, state: Tensor, action: Tensor, context: Tensor) -> Tensor:
        """One explicit Euler step of the equations above."""
        _, x_dot, theta, theta_dot = state.unbind(-1)
        g, m_pole, m_cart, l, _ = context.unbind(-1)
        mass, sin, cos = m_pole + m_cart, torch.sin(theta), torch.cos(theta)
        push = (self.force * (2 * action - 1) + m_pole * l * theta_dot**2 * sin) / mass
        theta_acceleration = (g * sin - cos * push) / (l * (4 / 3 - m_pole * cos**2 / mass))
        x_acceleration = push - m_pole * l * theta_acceleration * cos / mass
        change = torch.stack([x_dot, x_acceleration, theta_dot, theta_acceleration], dim=-1)
        return state + self.dt * change

    def reward(self, state: Tensor, action: Tensor, next_state: Tensor, context: Tensor) -> Tensor:
        """2 - sqrt(1 + (x' - goal)^2)."""
        return 2 - torch.sqrt(1 + (next_state[..., 0] - context[..., 4]) ** 2)

    def terminated(self, state: Tensor, context: Tensor) -> Tensor:
        """|x| > 2.4 m or |theta| > 12 degrees."""
        return (state[..., 0].abs() > self.edge) | (state[..., 2].abs() > self.tilt)
