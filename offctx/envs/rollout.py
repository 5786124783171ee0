"""Playing episodes: all of them in step with one another, one call of policy and simulator for each time step.

Dimensions: E episodes, n of them still running, s state, o observation, p context, z noise coordinates.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from gymnasium.utils.seeding import np_random

from offctx.checks import whole_number
from offctx.contexts.space import Contexts
from offctx.envs.base import Array, ContextualEnv
from offctx.envs.policies import Actor
from offctx.envs.resolve import ResolvedEnv
from offctx.errors import EnvError


@dataclass(frozen=True)
class TimeStep:
    """One time step t of the episodes `rows` (n,) that are still running; arrays have n rows."""

    t: int
    rows: Array
    states: Array
    observations: Array
    actions: Array
    noise: Array
    rewards: Array
    next_states: Array
    next_observations: Array
    terminations: Array
    truncations: Array


def episode_seeds(seed: int, n: int) -> Array:
    """n seeds (int64, >= 0), one an episode, each of which replays its episode by `env.reset(seed=...)`."""
    return (
        np.random.SeedSequence(whole_number(seed, "seed", 0, EnvError)).generate_state(n, np.uint64) >> np.uint64(1)
    ).astype(np.int64)


def play(
    task: ResolvedEnv,
    contexts: Contexts,
    seeds: Array,
    actors: Sequence[Actor],
    assignment: Array,
    rng: np.random.Generator,
    *,
    batch_size: int | None = None,
) -> Iterator[TimeStep]:
    """Play E episodes in step and yield what happened at each time step.

    An episode's start and noise come from its own seed, exactly as `env.reset(seed=seed, options={"context": c})` and
    `env.step` would draw them. Policies are always asked for all running episodes at once, so `batch_size` changes
    memory, never a result.

    Args:
        task: the environment.
        contexts: (E, p).
        seeds: (E,), of `episode_seeds`.
        actors: the policies.
        assignment: (E,), which actor plays which episode.
        rng: for policies that draw.
        batch_size: rows per call of the simulator; all at once where not given.
    """
    env, horizon = task.env, task.horizon
    generators = [np_random(int(seed))[0] for seed in seeds]
    states = np.stack([env.start(g, c) for g, c in zip(generators, contexts, strict=True)])
    noise = np.stack([env.draw_noise(g, horizon) for g in generators]) if env.noise_size else np.zeros((len(seeds), horizon, 0))
    observations = env.observations(states)
    rows = np.arange(len(seeds))
    for t in range(horizon):
        actions = _act(actors, assignment[rows], observations, contexts[rows], rng)
        next_states, rewards, terminations = _simulate(
            env, (states, actions, contexts[rows], noise[rows, t]), batch_size or len(rows)
        )
        next_observations = env.observations(next_states)
        truncations = np.full(len(rows), t + 1 == horizon)
        yield TimeStep(
            t, rows, states, observations, actions, noise[rows, t], rewards, next_states, next_observations,
            terminations, truncations,
        )  # fmt: skip
        running = ~terminations
        rows, states, observations = rows[running], next_states[running], next_observations[running]
        if len(rows) == 0:
            return


def _act(
    actors: Sequence[Actor], assignment: Array, observations: Array, contexts: Contexts, rng: np.random.Generator
) -> Array:
    if len(actors) == 1:
        return actors[0](observations, contexts, rng)
    pieces = [
        (mask := assignment == k, actor(observations[mask], contexts[mask], rng))
        for k, actor in enumerate(actors)
        if (assignment == k).any()
    ]
    actions = np.empty((len(assignment), *pieces[0][1].shape[1:]), dtype=pieces[0][1].dtype)
    for mask, chosen in pieces:
        actions[mask] = chosen
    return actions


def _simulate(env: ContextualEnv, arrays: tuple[Array, ...], batch_size: int) -> tuple[Array, Array, Array]:
    parts = [
        env.simulate(*(array[begin : begin + batch_size] for array in arrays)) for begin in range(0, len(arrays[0]), batch_size)
    ]
    next_states, rewards, terminations = (np.concatenate(part) for part in zip(*parts, strict=True))
    if not (np.isfinite(next_states).all() and np.isfinite(rewards).all()):
        bad = int(np.flatnonzero(~(np.isfinite(next_states).all(axis=1) & np.isfinite(rewards)))[0])
        raise EnvError(
            f"{type(env).__name__} gave a next state or reward that is not finite in context "
            f"{env.context_space.describe(arrays[2][bad])}, at state {arrays[0][bad]}, action {arrays[1][bad]}"
        )
    return next_states, rewards, terminations
