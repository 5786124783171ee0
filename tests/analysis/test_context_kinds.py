"""Which coordinates change the dynamics, the reward, several of these, or nothing."""

from typing import Any, ClassVar

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box

import offctx
from offctx.contexts.space import ContextSpace
from offctx.envs import DifferentiableEnv
from offctx.errors import EnvError

ALL_DYNAMICS = ("g", "m_pole", "m_cart", "l")


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ("PendulumGoal", {**dict.fromkeys(("g", "m", "l"), "dynamics, reward"), "tau": "reward"}),
        ("CartGoal", {**dict.fromkeys(ALL_DYNAMICS, "dynamics"), "goal": "reward"}),
        ("PointGoal", {"goal_x": "reward", "goal_y": "reward"}),
        ("RotatedThrusters", dict.fromkeys(("theta", "gain", "wind_x", "wind_y"), "dynamics")),
        ("SimpleDirectionStochastic", {"c_x": "dynamics, reward", "c_y": "dynamics, reward"}),
        ("CheetahVelocity", {"target_speed": "reward"}),
        ("RotatedReacher", {"rotation": "dynamics", "gear": "dynamics"}),
    ],
)
def test_kinds_of_registered_environments(env: str, expected: dict[str, str]) -> None:
    kinds = offctx.context_kinds(f"offctx/{env}-v0")
    assert kinds == expected
    assert kinds == offctx.context_kinds(f"offctx/{env}-v0", seed=1)


class Odd(DifferentiableEnv):
    """One coordinate ends episodes, one moves only the start, one does nothing, one has no bounds and moves the reward."""

    context_space = ContextSpace(["ends", "start", "idle", "free"], [0, 0, 0, -np.inf], [1, 1, 1, np.inf], [0.5, 0, 0, 0])
    observation_space: ClassVar[Box] = Box(-np.inf, np.inf, (1,), np.float64)  # type: ignore[misc]
    action_space: ClassVar[Box] = Box(-1, 1, (1,), np.float32)  # type: ignore[misc]

    def initial_state(self, rng: Any, context: Any) -> Any:
        return context[..., 1:2] + rng.uniform(-1, 1, 1)

    def transition(self, state: Any, action: Any, context: Any) -> Any:
        return state + action

    def reward(self, state: Any, action: Any, next_state: Any, context: Any) -> Any:
        return next_state[..., 0] * context[..., 3]

    def terminated(self, state: Any, context: Any) -> Any:
        return torch.abs(state[..., 0]) > 2 + context[..., 0]


def test_terminations_are_dynamics_and_starts_are_not() -> None:
    kinds = offctx.context_kinds(lambda: gymnasium.wrappers.TimeLimit(Odd(), 20))
    assert kinds == {"ends": "dynamics", "start": "none", "idle": "none", "free": "reward"}


def test_an_environment_without_contexts_is_refused() -> None:
    with pytest.raises(EnvError, match="expected the id or factory of an offctx"):
        offctx.context_kinds("CartPole-v1")
