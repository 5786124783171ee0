"""Property 10: declared kinds are compared with what transitions show."""

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces

from offctx.contexts.space import ContextSpace
from offctx.envs import ContextualEnv, DifferentiableEnv, MujocoPhysics
from offctx.envs.testing import check_contextual_env

NAMES, LOW, HIGH, DEFAULT = ["push", "goal", "offset"], [0.5, -1, -1], [2, 1, 1], [1, 0, 0]
RIGHT = {"push": "dynamics", "goal": "reward", "offset": "observation"}


class Seen(DifferentiableEnv):
    """A point on a line that is pushed towards a goal; the second number of its state is what its sensor shows."""

    observation_space = spaces.Box(-np.inf, np.inf, (1,), np.float64)
    action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)

    def __init__(self, kinds: Any = RIGHT) -> None:
        super().__init__(ContextSpace(NAMES, LOW, HIGH, DEFAULT, kinds=kinds))

    def initial_state(self, rng: Any, context: Any) -> Any:
        place = torch.as_tensor(rng.uniform(-1, 1, (*context.shape[:-1], 1)))
        return torch.cat([place, place + context[..., 2:]], dim=-1)

    def transition(self, state: Any, action: Any, context: Any) -> Any:
        place = state[..., :1] + 0.1 * context[..., :1] * action
        return torch.cat([place, place + context[..., 2:]], dim=-1)

    def reward(self, state: Any, action: Any, next_state: Any, context: Any) -> Any:
        return -(next_state[..., 0] - context[..., 1]).abs()

    def observe(self, state: Any) -> Any:
        return state[..., 1:]

    def latent_states(self, states: Any) -> Any:
        return states[:, :1]


def test_right_kinds_pass_and_are_returned() -> None:
    assert check_contextual_env(Seen) == {name: (kind,) for name, kind in RIGHT.items()}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"push": "reward"}, r"'push' is declared to change the reward alone; .* another next latent state .* in \d+ of 256"),
        ({"push": "observation"}, r"kinds=\{'push': \['dynamics', 'observation'\]\}"),
        ({"goal": "dynamics"}, "'goal' is declared to change the dynamics alone; .* another reward at the same next latent"),
        ({"goal": "observation"}, "'goal' is declared .* another reward"),
        ({"offset": "dynamics"}, "'offset' is declared .* another observation of the same next latent state in 256 of 256"),
        ({"offset": ["reward", "observation"]}, "'offset' .* the reward and the observation; no other value of it gives"),
        ({"push": ["dynamics", "reward"]}, "no other value of it gives another reward at .* Measured: dynamics. Leave"),
        ({"goal": ["dynamics", "reward"]}, "no other value of it gives another next latent state"),
    ],
)  # fmt: skip
def test_wrong_kinds_are_found(wrong: Any, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_contextual_env(lambda: Seen({**RIGHT, **wrong}))


def test_kinds_that_are_not_declared_are_measured_and_returned() -> None:
    measured = check_contextual_env(lambda: Seen({"offset": "observation"}))
    assert measured == {name: (kind,) for name, kind in RIGHT.items()}


class Simulated(ContextualEnv):
    """The same in NumPy: its reward is known through `simulate` alone. The push acts where the action is positive."""

    observation_space = spaces.Box(-np.inf, np.inf, (1,), np.float64)
    action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)

    def __init__(self, kinds: Any, fee: float = 0.0) -> None:
        self.context_space, self.fee = ContextSpace(["push"], 0.5, 2.0, [1.0], kinds=kinds), fee

    def initial_state(self, rng: Any, context: Any) -> Any:
        return rng.uniform(-1, 1, 1)

    def simulate(self, states: Any, actions: Any, contexts: Any, noise: Any = None) -> Any:
        next_states = states + 0.1 * np.where(actions > 0, contexts, 1) * actions
        rewards = -np.abs(next_states[:, 0]) - self.fee * contexts[:, 0]
        return next_states, rewards, np.zeros(len(states), dtype=bool)

    def observations(self, states: Any) -> Any:
        return states.copy()


def test_without_a_reward_function_the_reward_is_compared_where_the_next_state_stays() -> None:
    check_contextual_env(lambda: Simulated("dynamics"))
    with pytest.raises(AssertionError, match="another reward at the same next latent state"):
        check_contextual_env(lambda: Simulated("dynamics", fee=0.1))
    assert check_contextual_env(lambda: Simulated([("dynamics", "reward")], fee=0.1)) == {"push": ("dynamics", "reward")}


def test_a_physical_parameter_declared_as_reward_is_found() -> None:
    class Wrong(MujocoPhysics):
        def _prepare(self, model: Any) -> None:
            super()._prepare(model)
            self.context_space = ContextSpace.from_dict(self.context_space.to_dict() | {"kinds": {"mass": ["reward"]}})

    with pytest.raises(AssertionError, match="'mass' is declared to change the reward alone"):
        check_contextual_env(lambda: Wrong("InvertedPendulum-v5", ["mass"]), transitions=32)


def test_a_coordinate_of_the_start_alone_may_be_declared_as_dynamics() -> None:
    class Start(Simulated):
        def initial_state(self, rng: Any, context: Any) -> Any:
            return context + rng.uniform(-1, 1, 1)

        def simulate(self, states: Any, actions: Any, contexts: Any, noise: Any = None) -> Any:
            return super().simulate(states, actions, np.ones_like(contexts))

    assert check_contextual_env(lambda: Start("dynamics")) == {"push": ()}
    with pytest.raises(AssertionError, match="no other value of it gives another reward"):
        check_contextual_env(lambda: Start("reward"))
