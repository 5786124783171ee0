"""Properties 6 and 7: an episode is replayed by its seed and context, and batched simulation gives the same episode."""

from typing import Any, cast

import numpy as np
from gymnasium import spaces

from offctx.contexts.space import Contexts
from offctx.envs.base import Array, ContextualEnv
from offctx.envs.rollout import TimeStep
from offctx.envs.testing.case import Case
from offctx.envs.testing.comparison import assert_same

EPISODE = ("observations", "rewards", "terminations")  # what `play_episode` returns
_EPISODES = 8  # played again, at most


def check_replay(case: Case) -> None:
    """The same seed and context give the same episode, also in a fresh environment; not all episodes are the same."""
    actions = [step.actions[0] for step in case.steps]
    pairs = list(zip(case.seeds, case.contexts, strict=True))[:_EPISODES]
    first = [play_episode(case.env, int(seed), context, actions) for seed, context in pairs]
    for env in (case.env, case.make()):
        for (seed, context), expected in zip(pairs, first, strict=True):
            where = f"seed {seed} and context {env.context_space.describe(context)} played again"
            assert_same(expected, play_episode(env, int(seed), context, actions), EPISODE, where)
    distinct = {tuple(array.tobytes() for array in episode) for episode in first}
    assert len(distinct) > 1, f"expected episodes of {len(first)} seeds and contexts to differ; found all the same"


def check_played_as_stepped(case: Case) -> None:
    """Reset and step give, bit for bit, what batched `simulate` and `observations` give."""
    env = case.make()
    for episode, (seed, context) in enumerate(zip(case.seeds, case.contexts, strict=True)):
        observation, info = env.reset(seed=int(seed), options={"context": context})
        for step in case.steps:
            if episode in step.rows:
                row = int(np.flatnonzero(step.rows == episode)[0])
                where = f"episode {episode}, step {step.t}: batched simulation against reset and step"
                observation, info = _compare_step(env, observation, info, step, row, where)


def _compare_step(
    env: ContextualEnv, observation: Array, info: dict[str, Any], step: TimeStep, row: int, where: str
) -> tuple[Array, dict[str, Any]]:
    """Steps the environment with the action of one row of a batched time step, and compares what comes out."""
    assert "state" in info and (not env.noise_size or "noise" in info), (
        f"expected info to hold the simulator's 'state', and 'noise' where noise_size > 0; found {sorted(info)}"
    )
    before = (step.states[row], step.observations[row])
    assert_same((info["state"], observation), before, ("states", "observations"), where)
    space = cast(spaces.Box, env.observation_space)
    assert space.contains(observation), f"expected observations in {space}; found {observation!r}"
    observation, reward, terminated, _, info = env.step(step.actions[row])
    names = ("next states", "next observations", "rewards", "terminations", *(["noise"] if env.noise_size else []))
    stepped = (info["state"], observation, np.float64(reward), terminated, info.get("noise"))
    batched = (step.next_states, step.next_observations, step.rewards, step.terminations, step.noise)
    assert_same(stepped[: len(names)], [array[row] for array in batched][: len(names)], names, where)
    return observation, info


def play_episode(env: ContextualEnv, seed: int, context: Contexts, actions: list[Array]) -> tuple[Array, ...]:
    """One episode under the given actions: observations (T + 1, o), rewards (T,), terminations (T,)."""
    observations = [env.reset(seed=seed, options={"context": context})[0]]
    rewards: list[float] = []
    terminations: list[bool] = []
    for action in actions:
        observation, reward, terminated, _, _ = env.step(action)
        observations.append(observation)
        rewards.append(reward)
        terminations.append(terminated)
        if terminated:
            break
    return np.stack(observations), np.array(rewards, dtype=np.float64), np.array(terminations, dtype=bool)
