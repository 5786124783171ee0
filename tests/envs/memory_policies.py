"""An environment whose context must be inferred, and policies with memory that infer it, for tests."""

import numpy as np
import torch
from gymnasium import spaces

from offctx.contexts.space import ContextSpace
from offctx.envs import DifferentiableEnv


class Thrust(DifferentiableEnv):
    """A point that is to reach 0, by thrusts of an unknown factor; the episode ends early where it drifts away."""

    context_space = ContextSpace(["factor"], -2.0, 2.0, 1.0)
    observation_space = spaces.Box(-np.inf, np.inf, (1,), np.float32)
    action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
    noise_size = 1

    def initial_state(self, rng, context):
        return rng.uniform(-2.0, 2.0, (*context.shape[:-1], 1))

    def transition(self, state, action, context, noise):
        return state + context * action + 0.05 * noise

    def reward(self, state, action, next_state, context, noise):
        return 1 - next_state.square().sum(-1)

    def terminated(self, state, context):
        return torch.abs(state[..., 0]) > 3.0


class Estimator:
    """Estimates the factor by least squares and thrusts towards 0. Elementwise: a row never depends on the others' rounding."""

    def __init__(self, noise: float = 0.1) -> None:
        self.noise, self.size, self.seen = noise, -1, 0

    def begin(self, rows, same_context, size):
        if size != self.size:
            self.size, self.products, self.squares = size, np.zeros(size), np.zeros(size)
        forgotten = rows[~same_context]
        self.products[forgotten], self.squares[forgotten] = 0.0, 0.0

    def act(self, rows, observations, rng):
        factor = (self.products[rows] + 0.02) / (self.squares[rows] + 0.02)
        wanted = -observations[:, 0] / np.where(np.abs(factor) < 0.1, 0.1, factor)
        return np.clip(wanted, -1, 1)[:, None] + self.noise * rng.standard_normal((len(rows), 1))

    def observe(self, transitions):
        thrust = transitions.actions[:, 0].astype(np.float64)
        moved = (transitions.next_observations - transitions.observations)[:, 0].astype(np.float64)
        self.products[transitions.rows] += thrust * moved
        self.squares[transitions.rows] += thrust * thrust
        self.seen += len(transitions.rows)


class Forgetful(Estimator):
    """Says that it forgets, and does."""

    memory_span = "episode"

    def begin(self, rows, same_context, size):
        super().begin(rows, np.zeros_like(same_context), size)
