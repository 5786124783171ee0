"""At the default context our environments are those of `dm_control.suite`, bit for bit."""

from typing import Any

import gymnasium
import numpy as np
import pytest

import offctx.envs
from tests.envs.dm_control.suite import TASKS, assert_same_episode, flat, their_env


@pytest.mark.parametrize("name", TASKS)
def test_the_default_context_is_the_suite_s_environment(name: str) -> None:
    ours, theirs = getattr(offctx.envs, name)(), their_env(name, 3)
    total = assert_same_episode(ours, theirs, 1000, seed=3)
    assert_same_episode(ours, theirs, 20)  # the next episode goes on with the same generator
    assert total or name in ("BallInCupCatch", "ReacherHard", "ReacherHardPermuted")  # under random actions


def test_a_ball_in_the_cup_and_one_beside_it_get_the_suite_s_reward() -> None:
    ours, theirs = offctx.envs.BallInCupCatch(), their_env("BallInCupCatch", 0)
    state = ours.initial_state(np.random.default_rng(0), ours.context_space.default)
    rewards = []
    for x, z in np.random.default_rng(0).uniform([-0.06, 0.25], [0.06, 0.5], (200, 2)):
        theirs.reset()
        qpos = np.array([0.0, 0.0, x, z])
        with theirs.physics.reset_context():
            theirs.physics.data.qpos[:] = qpos
        row = state.copy()
        row[ours.simulator.layout.qpos], row[ours.simulator.layout.qvel] = qpos, 0
        row[ours.simulator.layout.warmstart] = theirs.physics.data.qacc_warmstart
        next_states, reward, _ = ours.simulate(row[None], np.zeros((1, 2)), ours.context_space.default[None])
        expected = theirs.step(np.zeros(2))
        np.testing.assert_array_equal(ours.observations(next_states)[0], flat(expected.observation))
        assert reward[0] == expected.reward
        rewards.append(reward[0])
    assert {0.0, 1.0} == set(rewards)


@pytest.mark.parametrize("name", TASKS)
def test_spaces_are_the_suite_s(name: str) -> None:
    ours, theirs = getattr(offctx.envs, name)(), their_env(name, 0)
    spec: Any = theirs.action_spec()
    np.testing.assert_array_equal([ours.action_space.low, ours.action_space.high], [spec.minimum, spec.maximum])
    assert ours.observation_space.shape == flat(theirs.reset().observation).shape
    assert gymnasium.spec(f"offctx/{name}-v0").max_episode_steps == round(theirs._step_limit) == 1000
