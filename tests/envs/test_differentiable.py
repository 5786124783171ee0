"""DifferentiableEnv takes the equations as people write them, and says what is wrong where it cannot."""

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from gymnasium.wrappers import TimeLimit

from offctx import ContextSpace
from offctx.envs import DifferentiableEnv, PendulumGoal
from offctx.envs.testing import check_contextual_env
from offctx.errors import EnvError

SPACE = ContextSpace(["wind", "push"], -1.0, 1.0, [0.0, 0.5])


class Drift(DifferentiableEnv):
    """Two numbers that drift; what the tests below vary."""

    context_space = SPACE
    observation_space = Box(-np.inf, np.inf, (2,), np.float32)
    action_space = Box(-1.0, 1.0, (2,), np.float32)

    def initial_state(self, rng, context):
        return rng.uniform(-1, 1, (*context.shape[:-1], 2))

    def transition(self, state, action, context):
        return state + 0.1 * (action * context[..., 1:] + context[..., :1])

    def reward(self, state, action, next_state, context):
        return -(next_state**2).sum(-1)


class RewardInSinglePrecision(Drift):
    def reward(self, state, action, next_state, context):
        return (next_state[..., 0] > 0).float()


class SinglePrecision(Drift):
    dtype = torch.float32

    def transition(self, state, action, context):
        return super().transition(state @ torch.eye(2), action, context)


class NoiseInTransitionOnly(Drift):
    noise_size = 2

    def transition(self, state, action, context, noise):
        return super().transition(state, action, context) + 0.1 * noise


class NoiseInRewardOnly(Drift):
    noise_size = 1

    def reward(self, state, action, next_state, context, noise):
        return super().reward(state, action, next_state, context) + noise[..., 0]


class StateIgnoresTheBatch(Drift):
    def initial_state(self, rng, context):
        return torch.tensor(rng.uniform(-1, 1, 2), dtype=torch.float32)


class SpacesFromOutside(Drift):
    context_space = None

    def __init__(self):
        super().__init__(context_space=SPACE)


@pytest.mark.parametrize(
    "kind",
    [
        Drift,
        RewardInSinglePrecision,
        NoiseInTransitionOnly,
        NoiseInRewardOnly,
        StateIgnoresTheBatch,
        SpacesFromOutside,
    ],
)
def test_natural_styles_pass_the_contract(kind):
    check_contextual_env(lambda: TimeLimit(kind(), 20))


def test_single_precision_steps_and_batches_alike():
    env = SinglePrecision()
    env.reset(seed=0)
    state = env._state[None]
    observation, reward, *_ = env.step(np.array([0.5, -0.5]))
    next_states, rewards, _ = env.simulate(state, np.array([[0.5, -0.5]]), SPACE.default[None])
    assert reward == rewards[0] and next_states.dtype == np.float64
    np.testing.assert_array_equal(observation, env.observations(next_states)[0])


def test_constants_of_another_dtype_are_explained():
    class Mixed(Drift):
        def transition(self, state, action, context):
            return state @ torch.eye(2)

    env = Mixed()
    env.reset(seed=0)
    with pytest.raises(EnvError, match=r"Mixed: .*dtype=torch\.float64, or set dtype = torch\.float32"):
        env.step(np.zeros(2))


def test_a_reward_of_shape_n_1_is_explained():
    class Column(Drift):
        def reward(self, state, action, next_state, context):
            return next_state[..., :1]

    env = Column()
    env.reset(seed=0)
    with pytest.raises(EnvError, match=r"rewards \(64,\).*found .*\(64, 1\)"):
        env.step(np.zeros(2))


def test_numpy_inside_the_equations_has_no_derivatives():
    class Numpy(Drift):
        def transition(self, state, action, context):
            return state + torch.as_tensor(np.sin(context.numpy()))

    with pytest.raises(EnvError, match="torch functions throughout"):
        Numpy().derivatives(np.zeros((1, 2)), np.zeros((1, 2)), SPACE.default[None])


def test_integer_contexts_are_contexts():
    env = PendulumGoal()
    arrays = (np.zeros((1, 2)), np.zeros((1, 1)))
    whole, real = (env.derivatives(*arrays, np.array([[2, 1, 1, 0]], dtype)) for dtype in (np.int64, np.float64))
    np.testing.assert_array_equal(whole[0], real[0])


def test_contains_knows_the_valid_combinations():
    space = PendulumGoal.context_space
    assert space.contains(space.default)
    assert not space.contains(np.array([0.5, 0.5, 0.5, 1.0]))
    assert not space.contains(np.array([2.0, 1.0, 1.0]))
