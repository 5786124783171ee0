"""PendulumGoal: hold a pendulum at the angle where gravity balances a given torque. Source: arXiv 2507.07348."""

from typing import ClassVar

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from offctx.contexts.space import ContextSpace
from offctx.envs.base import Array
from offctx.envs.differentiable import DifferentiableEnv


class PendulumGoal(DifferentiableEnv):
    """theta'' = 3 g / (2 l) sin(theta) + 3 u / (m l^2), Euler steps of 0.05 s (velocity first), torque u in [-2, 2] N m.

    Reward, on the new state: -(pi^2 sin^2((theta - goal) / 2) + 0.1 theta_dot^2 + 0.001 u^2), where
    goal = asin(-tau / (m g l)) exists only for |tau| < m g l: other contexts are refused.
    State (theta [rad], theta_dot [rad/s]), upright at 0; observation (cos theta, sin theta, theta_dot).
    Start: theta uniform in [-pi, pi], theta_dot in [-1, 1]; 200 steps an episode.
    """

    context_space = ContextSpace(
        names=["g", "m", "l", "tau"],
        low=(0.5, 0.5, 0.5, -1.0),
        high=(5.0, 2.0, 2.0, 1.0),
        default=(2.0, 1.0, 1.0, 0.0),
        units=["m/s^2", "kg", "m", "N m"],
        constraints=["abs(tau) < m * g * l"],
        kinds={**dict.fromkeys(("g", "m", "l"), ("dynamics", "reward")), "tau": "reward"},  # the goal depends on all of them
    )
    observation_space: ClassVar[spaces.Box] = spaces.Box(  # type: ignore[misc]  # one for all
        np.array([-1, -1, -np.inf], np.float32), np.array([1, 1, np.inf], np.float32)
    )
    action_space: ClassVar[spaces.Box] = spaces.Box(-2.0, 2.0, (1,), np.float32)  # type: ignore[misc]  # one for all

    dt = 0.05  # s

    def initial_state(self, rng: np.random.Generator, context: Tensor) -> Array:
        """theta uniform in [-pi, pi], theta_dot uniform in [-1, 1]."""
        return rng.uniform((-np.pi, -1.0), (np.pi, 1.0), (*context.shape[:-1], 2))

    def transition(self, state: Tensor, action: Tensor, context: Tensor) -> Tensor:
        """theta'' = 3 g / (2 l) sin(theta) + 3 u / (m l^2)."""
        theta, theta_dot = state.unbind(-1)
        g, m, l, _ = context.unbind(-1)
        acceleration = 3 * g / (2 * l) * torch.sin(theta) + 3 * action[..., 0] / (m * l**2)
        theta_dot = theta_dot + self.dt * acceleration
        return torch.stack([theta + self.dt * theta_dot, theta_dot], dim=-1)

    def reward(self, state: Tensor, action: Tensor, next_state: Tensor, context: Tensor) -> Tensor:
        """-(pi^2 sin^2((theta' - goal) / 2) + 0.1 theta_dot'^2 + 0.001 u^2), goal = asin(-tau / (m g l))."""
        theta, theta_dot = next_state.unbind(-1)
        g, m, l, tau = context.unbind(-1)
        goal = torch.asin(-tau / (m * g * l))
        angle = torch.pi**2 * torch.sin((theta - goal) / 2) ** 2
        return -(angle + 0.1 * theta_dot**2 + 0.001 * action[..., 0] ** 2)

    def observe(self, state: Tensor) -> Tensor:
        """(cos theta, sin theta, theta_dot)."""
        theta, theta_dot = state.unbind(-1)
        return torch.stack([torch.cos(theta), torch.sin(theta), theta_dot], dim=-1)

    def states_from_observations(self, observations: Array) -> Array:
        """theta = atan2(sin theta, cos theta), in [-pi, pi]."""
        cos, sin, theta_dot = np.asarray(observations, dtype=np.float64).T
        return np.stack([np.arctan2(sin, cos), theta_dot], axis=1)
