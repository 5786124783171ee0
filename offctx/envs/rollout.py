"""Playing episodes together: one call of the policy and of the simulator for each time step of all episodes.

Dimensions: E episodes, n of them still running, s state, o observation, a action, p context, z noise coordinates.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from gymnasium.utils.seeding import np_random

from offctx.checks import whole_number
from offctx.contexts.space import Contexts
from offctx.envs.base import Array, ContextualEnv
from offctx.envs.players import Cast, Player
from offctx.envs.policies_with_memory import Transitions
from offctx.envs.resolve import ResolvedEnv
from offctx.envs.row_draws import EpisodeStreams
from offctx.errors import EnvError


@dataclass(frozen=True)
class TimeStep:
    """One time step of the episodes that are still running.

    Attributes:
        t: the time step, from 0.
        rows: the indices of these episodes (n,).
        states: (n, s).
        observations: (n, o).
        actions: (n, a), or (n,) where Discrete.
        noise: (n, z).
        rewards: (n,).
        next_states: (n, s).
        next_observations: (n, o).
        terminations: booleans (n,).
        truncations: booleans (n,), True at the time limit.
    """

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


def episode_seeds(seed: int, n: int, stream: tuple[int, ...] = ()) -> Array:
    """n seeds (int64, >= 0), one for each episode: `env.reset(seed=...)` with it replays the episode. Streams differ."""
    sequence = np.random.SeedSequence(whole_number(seed, "seed", 0, EnvError), spawn_key=stream)
    return (sequence.generate_state(n, np.uint64) >> np.uint64(1)).astype(np.int64)


def play(
    resolved: ResolvedEnv,
    contexts: Contexts,
    seeds: Array,
    actors: Sequence[Player],
    assignment: Array,
    rng: np.random.Generator | EpisodeStreams,
    *,
    batch_size: int | None = None,
    same_context: bool = False,
    memory_streams: EpisodeStreams | None = None,
) -> Iterator[TimeStep]:
    """Plays E episodes together and yields their transitions, time step by time step.

    The start and the noise of an episode are drawn from its own seed, exactly as `env.reset(seed=seed, options={"context": c})`
    and `env.step` draw them. A policy always gets all running episodes at once, so `batch_size` changes the memory that is
    needed, and never a result.

    Args:
        resolved: the environment and its time limit.
        contexts: the context of each episode (E, p).
        seeds: the seed of each episode (E,), of `episode_seeds`.
        actors: the policies.
        assignment: the index of the actor that plays each episode (E,).
        rng: for policies that draw: one generator for the whole batch, or a stream for each episode.
        batch_size: rows per call of the simulator; all at once where not given.
        same_context: whether policies with memory have played these rows in these contexts before, and may remember it.
        memory_streams: for policies with memory that draw, where `rng` is one generator: what an episode does must not
            depend on those beside it.

    Raises:
        EnvError: a next state or reward is not finite.
        PolicyError: an actor gave invalid actions, or one with memory drew what would depend on the other rows.
    """
    env, horizon = resolved.env, resolved.horizon
    states, noise = start_episodes(env, contexts, seeds, horizon)
    observations = env.observations(states)
    rows, cast = np.arange(len(seeds)), Cast(actors, assignment, contexts)
    cast.begin(rows, np.full(len(rows), same_context))
    for t in range(horizon):
        draws = rng.at(t, rows) if isinstance(rng, EpisodeStreams) else rng
        actions = cast.act(rows, observations, draws, None if memory_streams is None else memory_streams.at(t, rows))
        next_states, rewards, terminations = simulate_checked(
            env, (states, actions, contexts[rows], noise[rows, t]), batch_size or len(rows)
        )
        next_observations = env.observations(next_states)
        truncations = np.full(len(rows), t + 1 == horizon)
        cast.observe(Transitions(rows, observations, actions, rewards, next_observations, terminations, truncations))
        yield TimeStep(
            t=t,
            rows=rows,
            states=states,
            observations=observations,
            actions=actions,
            noise=noise[rows, t],
            rewards=rewards,
            next_states=next_states,
            next_observations=next_observations,
            terminations=terminations,
            truncations=truncations,
        )
        running = ~terminations
        rows, states, observations = rows[running], next_states[running], next_observations[running]
        if len(rows) == 0:
            return


def start_episodes(env: ContextualEnv, contexts: Contexts, seeds: Array, horizon: int) -> tuple[Array, Array]:
    """The first states (E, s) of episodes and the noise of all their steps (E, horizon, z), each from its own seed."""
    generators = [np_random(int(seed))[0] for seed in seeds]
    states = np.stack([env.start(generator, context) for generator, context in zip(generators, contexts, strict=True)])
    if not env.noise_size:
        return states, np.zeros((len(generators), horizon, 0))
    return states, np.stack([env.draw_noise(generator, horizon) for generator in generators])


def simulate_checked(env: ContextualEnv, arrays: tuple[Array, ...], batch_size: int) -> tuple[Array, Array, Array]:
    """`env.simulate` of states, actions, contexts and noise in batches; EnvError where a next state or reward is not finite."""
    batches = [slice(begin, begin + batch_size) for begin in range(0, len(arrays[0]), batch_size)]
    parts = [env.simulate(*(array[batch] for array in arrays)) for batch in batches]
    next_states, rewards, terminations = (np.concatenate(part) for part in zip(*parts, strict=True))
    finite = np.isfinite(next_states).all() and np.isfinite(rewards).all()
    if not finite:
        row = int(np.flatnonzero(~(np.isfinite(next_states).all(axis=1) & np.isfinite(rewards)))[0])
        raise EnvError(
            f"{type(env).__name__} gave a next state or reward that is not finite in context "
            f"{env.context_space.describe(arrays[2][row])}, at state {arrays[0][row]}, action {arrays[1][row]}"
        )
    return next_states, rewards, terminations
