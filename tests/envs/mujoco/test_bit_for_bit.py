"""At the base context the MuJoCo families are Gymnasium's environments, bit for bit."""

from typing import Any

import gymnasium
import numpy as np
import pytest

import offctx.envs  # noqa: F401  # registers the ids
from offctx.envs import MujocoPhysics
from offctx.envs.registry import ENVIRONMENTS, RegistryRow
from offctx.envs.resolve import resolve
from offctx.envs.rollout import episode_seeds, play

ANT_GOAL = {"exclude_current_positions_from_observation": False, "terminate_when_unhealthy": False}
SAME_REWARD = [row for row in ENVIRONMENTS if row.class_name == "MujocoPhysics"]
NEVER_END = ("HalfCheetahPhysics", "AntPhysics", "RotatedReacher")  # under random actions


def play_both(ours: Any, theirs: Any, steps: int, same_reward: bool) -> int:
    """Steps both under the same actions and compares; returns how many episodes ended."""
    rng, ends = np.random.default_rng(0), 0
    observations = [env.reset(seed=3)[0] for env in (ours, theirs)]
    np.testing.assert_array_equal(*observations)
    for t in range(steps):
        action = rng.uniform(theirs.action_space.low, theirs.action_space.high).astype(theirs.action_space.dtype)
        (observation, our_reward, ended, _, _), (expected, reward, terminated, _, _) = ours.step(action), theirs.step(action)
        np.testing.assert_array_equal(observation, expected, err_msg=f"step {t}")
        assert not same_reward or (our_reward == reward and ended == terminated), f"step {t}"
        if ended or terminated:
            ends += 1
            for env in (ours, theirs):
                env.reset(seed=t)
    return ends


@pytest.mark.parametrize("row", SAME_REWARD, ids=lambda row: row.name)
def test_the_physics_environments_are_gymnasium_s_at_the_default(row: RegistryRow) -> None:
    theirs = gymnasium.make(row.arguments["gymnasium_id"])
    ends = play_both(gymnasium.make(row.id).unwrapped, theirs.unwrapped, 1000, same_reward=True)
    assert ends or row.name in NEVER_END  # terminations were compared too


@pytest.mark.parametrize(
    ("ours", "theirs", "options"),
    [("CheetahVelocity", "HalfCheetah-v5", {}), ("AntDirection", "Ant-v5", {}), ("AntGoal", "Ant-v5", ANT_GOAL)],
)
def test_reward_contexts_leave_the_observations_alone(ours: str, theirs: str, options: dict[str, Any]) -> None:
    play_both(gymnasium.make(f"offctx/{ours}-v0").unwrapped, gymnasium.make(theirs, **options).unwrapped, 1000, False)


@pytest.mark.parametrize("gymnasium_id", ["Humanoid-v5", "Swimmer-v5", "InvertedDoublePendulum-v5", "Pusher-v5"])
def test_any_other_environment_goes_through_its_own_step(gymnasium_id: str) -> None:
    theirs = gymnasium.make(gymnasium_id).unwrapped
    ends = play_both(MujocoPhysics(gymnasium_id, ["mass", "gear"]), theirs, 150, same_reward=True)
    assert ends or gymnasium_id in ("Swimmer-v5", "Pusher-v5")


@pytest.mark.parametrize("env_id", ["offctx/HalfCheetahPhysics-v0", "offctx/AntPhysics-v0", "offctx/RotatedReacher-v0"])
@pytest.mark.parametrize("batch_size", [None, 3])
def test_batched_play_is_stepping_whatever_the_threads_and_the_batch(env_id: str, batch_size: int | None) -> None:
    resolved = resolve(env_id)
    resolved.env.simulator.threads = 3
    space, rng = resolved.env.context_space, np.random.default_rng(0)
    contexts = np.repeat(space.sample(rng, 3), 4, axis=0)
    seeds = episode_seeds(0, len(contexts))
    actions = rng.uniform(-1, 1, (20, len(contexts), *resolved.env.action_space.shape)).astype(np.float32)
    alone = [gymnasium.make(env_id).unwrapped for _ in contexts]
    for env, context, seed in zip(alone, contexts, seeds, strict=True):
        env.reset(seed=int(seed), options={"context": context})
    time_steps = iter(range(20))

    def act(observations: Any, contexts: Any, rng: Any) -> Any:
        return actions[next(time_steps)][: len(observations)]

    assignment = np.zeros(len(contexts), int)
    for step in play(resolved, contexts, seeds, [act], assignment, rng, batch_size=batch_size):
        if step.t == 20 - 1 or len(step.rows) < len(contexts):
            break
        for i, row in enumerate(step.rows):
            observation, reward, terminated, _, info = alone[row].step(step.actions[i])
            np.testing.assert_array_equal(info["state"], step.next_states[i])
            np.testing.assert_array_equal(observation, step.next_observations[i])
            assert (reward, terminated) == (step.rewards[i], step.terminations[i])
    assert step.t > 3
