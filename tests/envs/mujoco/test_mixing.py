"""Rotated actuators: Gymnasium's environment driven by hand-rotated actions, and batched Reacher as Gymnasium steps it."""

from typing import Any

import gymnasium
import numpy as np
import pytest

import offctx
from offctx.envs import MujocoPhysics
from offctx.envs.resolve import resolve
from offctx.envs.testing import check_contextual_env
from offctx.errors import ContextError, EnvError

ANGLES = [0.0, 0.7, -1.9]


@pytest.fixture(scope="module")
def reacher() -> Any:
    return gymnasium.make("offctx/RotatedReacher-v0").unwrapped


def rotated(angle: float, action: Any, pair: tuple[int, int] = (0, 1)) -> Any:
    """The action with a pair of its numbers rotated, by hand."""
    controls = np.array(action, np.float64)
    x, y = controls[list(pair)]
    controls[list(pair)] = x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)
    return controls


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize("gear", [1.0, 0.5])
def test_rotated_reacher_is_reacher_under_rotated_actions(reacher: Any, angle: float, gear: float) -> None:
    theirs: Any = gymnasium.make("Reacher-v5").unwrapped
    theirs.model.actuator_ctrllimited[:] = 0  # a rotated pair of controls keeps its length
    theirs.model.actuator_gear[:] *= gear
    rng = np.random.default_rng(0)
    for seed in range(3):
        observation, _ = reacher.reset(seed=seed, options={"context": {"rotation": angle, "gear": gear}})
        np.testing.assert_array_equal(observation, theirs.reset(seed=seed)[0])
        for t in range(50):
            action = rng.uniform(-1, 1, 2).astype(np.float32)
            observation, reward, ended, _, _ = reacher.step(action)
            theirs.do_simulation(rotated(angle, action), theirs.frame_skip)
            np.testing.assert_array_equal(observation, theirs._get_obs(), err_msg=f"step {t}")
            assert reward == theirs._get_rew(action)[0] and not ended


def test_a_rotation_by_names_rotates_these_two_and_no_other() -> None:
    env = MujocoPhysics("HalfCheetah-v5", ["rotation", "rotation_bfoot_ffoot"])
    action = np.linspace(-0.9, 0.8, 6).astype(np.float32)[None]
    context = np.array([[0.3, -1.1]])
    expected = rotated(-1.1, rotated(0.3, action[0]), (2, 5))
    np.testing.assert_array_equal(env._controls(action, context)[0], expected)
    assert not np.array_equal(expected[[0, 1, 2, 5]], action[0][[0, 1, 2, 5]])


def test_names_with_underscores_are_told_apart() -> None:
    parameter = MujocoPhysics("Ant-v5", ["rotation_hip_4_ankle_4"])._physics.parameters[0]
    assert parameter.element == [0, 1] and parameter.unit == "rad"


def test_permutation_and_rotation_act_in_the_order_given() -> None:
    action, turn = np.array([[1.0, 0.0]], np.float32), np.pi / 2
    first = MujocoPhysics("Reacher-v5", ["permutation", "rotation"])._controls(action, np.array([[1, turn]]))
    last = MujocoPhysics("Reacher-v5", ["rotation", "permutation"])._controls(action, np.array([[turn, 1]]))
    np.testing.assert_allclose(first, [[-1, 0]], atol=1e-15)
    np.testing.assert_allclose(last, [[1, 0]], atol=1e-15)


def test_derivatives_along_a_rotation_also_at_full_control(reacher: Any) -> None:
    """MuJoCo's range of controls would halve the derivative of an action at its bounds."""
    states = np.stack([reacher.initial_state(np.random.default_rng(k), reacher.context_space.default) for k in range(64)])
    actions = np.tile([[1.0, -1.0], [1.0, 1.0]], (32, 1)).astype(np.float32)
    contexts = np.tile(reacher.context_space.default, (64, 1))
    dnext, dreward, error = reacher.derivatives_with_error(states, actions, contexts)
    assert error.max() < 1e-6
    h = 1e-4
    ahead = [
        reacher.simulate(states, actions, contexts + np.array([k * h, 0.0])) for k in (0, 1, 2)
    ]  # one-sided, of second order
    here, near, far = (np.c_[reacher.observations(s), r] for s, r, _ in ahead)
    slopes = (4 * near - 3 * here - far) / (2 * h)
    np.testing.assert_allclose(np.c_[dnext[..., 0], dreward[:, 0]], slopes, rtol=1e-4, atol=1e-5)
    assert (np.abs(dnext[:, 6:8, 0]) > 0.1).all()


def test_both_ways_of_differencing_rotate_every_variant() -> None:
    env = MujocoPhysics("HalfCheetah-v5", ["gravity", "rotation_bthigh_fthigh"])
    rng = np.random.default_rng(0)
    states = np.stack([env.initial_state(rng, env.context_space.default) for _ in range(32)])
    actions = rng.uniform(-1, 1, (32, 6)).astype(np.float32)
    rows = states, actions, np.tile([8.0, 0.4], (32, 1))
    together = env.derivatives(*rows)
    alone = [env.derivatives(*(array[i : i + 1] for array in rows)) for i in range(32)]
    for k in range(2):
        np.testing.assert_array_equal(together[k], np.concatenate([part[k] for part in alone]))
    assert np.abs(together[0][..., 1]).max() > 1e-2


def test_states_of_reacher_from_observations(reacher: Any) -> None:
    rng, context = np.random.default_rng(0), np.tile([0.5, 1.5], (16, 1))
    states = np.stack([reacher.initial_state(rng, context[0]) for _ in range(16)])
    for _ in range(20):
        states = reacher.simulate(states, rng.uniform(-1, 1, (16, 2)).astype(np.float32), context)[0]
    joint1 = states[:, reacher.simulator.layout.qpos][:, 1]
    within = np.abs(joint1) < 3
    assert 0 < within.sum() < 16
    with pytest.raises(EnvError, match=f"joint1 is beyond its range in {(~within).sum()} of 16 rows"):
        reacher.states_from_observations(reacher.observations(states))
    states, context = states[within], context[within]
    action = np.full((len(states), 2), 0.5, np.float32)
    again = reacher.simulate(reacher.states_from_observations(reacher.observations(states)), action, context)
    first = reacher.simulate(states, action, context)
    np.testing.assert_allclose(reacher.observations(again[0]), reacher.observations(first[0]), atol=1e-9)
    np.testing.assert_allclose(again[1], first[1], atol=1e-9)


def test_a_rotation_may_be_negative_and_has_bounds(reacher: Any) -> None:
    assert reacher.context_space.constraints == ("gear >= 0",)
    assert MujocoPhysics("Reacher-v5", ["rotation"]).context_space.low.tolist() == [-np.pi / 2]
    with pytest.raises(ContextError, match=r"rotation = 2.5 .*bounds|out of bounds"):
        reacher.reset(options={"context": {"rotation": 2.5}})


def test_the_contract_holds_for_all_of_reacher_s_parameters() -> None:
    names = ["mass", "damping", "gear_joint0", "inversion", "permutation", "rotation"]
    check_contextual_env(lambda: MujocoPhysics("Reacher-v5", names), transitions=64)


def test_feedback_needs_to_know_the_rotation() -> None:
    """A controller told the rotation reaches the target; at 1.5 rad, one that is not does worse than no action."""

    def reaching(told: float) -> Any:
        def act(observations: Any, contexts: Any, rng: Any) -> Any:
            c1, c2, s1, s2 = observations[:, :4].T
            sin, cos = s1 * c2 + c1 * s2, c1 * c2 - s1 * s2  # of the outer link's direction
            jacobian = np.array([[-0.1 * s1 - 0.11 * sin, -0.11 * sin], [0.1 * c1 + 0.11 * cos, 0.11 * cos]])
            wanted = -20 * np.einsum("ijn,ni->nj", jacobian, observations[:, 8:10]) - 0.1 * observations[:, 6:8]
            angles = -told * contexts[:, 0]
            x, y = wanted.T
            return np.clip(
                np.stack([x * np.cos(angles) - y * np.sin(angles), x * np.sin(angles) + y * np.cos(angles)], 1), -1, 1
            )

        return act

    space = resolve("offctx/RotatedReacher-v0").env.context_space
    told, blind, still = (
        offctx.evaluate(
            policy, "offctx/RotatedReacher-v0", space.sweep("rotation", [-1.5, 1.5]), episodes=16, seed=0, progress=False
        ).aer("test")
        for policy in (reaching(1.0), reaching(0.0), "zero")
    )
    assert told > 0.6 * still > 0.6 * -15
    assert blind < 2 * still
