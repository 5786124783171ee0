"""The contract suite passes for correct environments of users (for ours: tests/envs/test_registry.py)."""

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.wrappers import TimeLimit

from offctx.contexts.space import ContextSpace
from offctx.envs import ContextualEnv, DifferentiableEnv
from offctx.envs.testing import check_contextual_env


class Drift(DifferentiableEnv):
    """The smallest family: transition, reward and initial state only; one bound of the context is infinite."""

    context_space = ContextSpace(["wind"], -np.inf, np.inf, 0.0, ["m/s"])
    observation_space = spaces.Box(-np.inf, np.inf, (1,), np.float32)
    action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)

    def initial_state(self, rng, context):
        return torch.as_tensor(rng.uniform(-1, 1, (*context.shape[:-1], 1)))

    def transition(self, state, action, context):
        return state + 0.1 * (action + torch.sin(context))

    def reward(self, state, action, next_state, context):
        return -(next_state**2).sum(-1)


class Steer(DifferentiableEnv):
    """Discrete actions, termination, noise, and a coordinate each for the dynamics, the end and the start."""

    context_space = ContextSpace(
        ["speed", "edge", "start"], [0.1, 1.0, -0.5], [2.0, np.inf, 0.5], [1.0, 1.5, 0.0], constraints=["speed < 2 * edge"]
    )
    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float32)
    action_space = spaces.Discrete(3, start=1)
    noise_size = 1

    def initial_state(self, rng, context):
        return np.asarray(context[..., 2:]) + rng.uniform(-0.1, 0.1, (*context.shape[:-1], 1))

    def transition(self, state, action, context, noise):
        return state + (action - 2)[..., None] * context[..., :1] ** 2 + 0.1 * noise * context[..., :1]

    def reward(self, state, action, next_state, context, noise):
        return torch.tanh(next_state[..., 0])

    def observe(self, state):
        return torch.cat([state, state**3], dim=-1)

    def terminated(self, state, context):
        return state[..., 0].abs() > context[..., 1]


class Plain(ContextualEnv):
    """A family in NumPy, not in torch, with derivatives of its own and float32 observations."""

    context_space = ContextSpace(["push"], 0.5, 2.0, 1.0)
    observation_space = spaces.Box(-np.inf, np.inf, (1,), np.float32)
    action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
    has_derivatives = True

    def initial_state(self, rng, context):
        return rng.uniform(-1, 1, 1)

    def simulate(self, states, actions, contexts, noise=None):
        after = 0.5 * states + contexts**2 * actions
        return after, after[:, 0], np.zeros(len(states), dtype=bool)

    def observations(self, states):
        return states.astype(np.float32)

    def derivatives(self, states, actions, contexts, noise=None):
        dnext = (2 * contexts * actions)[:, :, None]
        return dnext, dnext[:, 0]


@pytest.mark.parametrize("factory", [Drift, Steer, Plain, lambda: TimeLimit(Drift(), 5)])
@pytest.mark.parametrize("seed", [0, 1])
def test_users_environments_hold_the_contract(factory: Any, seed: int) -> None:
    check_contextual_env(factory, seed=seed)


def test_it_leaves_no_trace_in_warnings(recwarn: pytest.WarningsRecorder) -> None:
    check_contextual_env(Drift)
    check_contextual_env(Steer)
    assert [str(w.message) for w in recwarn if "torch" not in str(w.filename)] == []


def test_errors_of_offctx_become_assertions_with_the_environment_named() -> None:
    class Explodes(Drift):
        def transition(self, state, action, context):
            return state / 0.0

    with pytest.raises(AssertionError, match=r"(Explodes).*(not finite|check_env)"):
        check_contextual_env(Explodes)
