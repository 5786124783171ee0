"""Warm-up: a policy with memory sees transitions of each row's context before its episode is scored.

Dimensions: E rows, s state, z noise coordinates, p context.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from offctx.contexts.space import Contexts
from offctx.envs.base import Array
from offctx.envs.players import Cast, MemoryPlayer, Player
from offctx.envs.policies_with_memory import Transitions
from offctx.envs.resolve import ResolvedEnv
from offctx.envs.rollout import simulate_checked, start_episodes
from offctx.envs.row_draws import EpisodeStreams


@dataclass(frozen=True)
class WarmUp:
    """How rows are warmed up.

    Attributes:
        steps: transitions that each row sees.
        seeds: from the number of an episode of the warm-up, 0, 1, ..., to its seed in each row (E,).
        streams: random numbers of the policy that is warmed up.
        other: who plays in its place, or None.
        other_streams: random numbers of that one.
    """

    steps: int
    seeds: Callable[[int], Array]
    streams: EpisodeStreams
    other: Player | None
    other_streams: EpisodeStreams


def warm_up(
    resolved: ResolvedEnv, contexts: Contexts, player: MemoryPlayer, plan: WarmUp, *, batch_size: int | None = None
) -> None:
    """Shows a policy with memory exactly `plan.steps` transitions in each row, from an empty memory.

    A row whose episode ends begins another one in the same context at once. The last episode is truncated. Then the memory is
    ready for `offctx.envs.rollout.play` with `same_context=True`.

    Args:
        resolved: the environment and its time limit.
        contexts: the context of each row (E, p).
        player: the policy.
        plan: the warm-up.
        batch_size: rows per call of the simulator; all at once where not given.

    Raises:
        EnvError: a next state or reward is not finite.
        PolicyError: a policy gave invalid actions.
    """
    env, horizon = resolved.env, resolved.horizon
    casts = [Cast([each], np.zeros(len(contexts), np.int64), contexts) for each in (player, plan.other) if each is not None]
    rows, seeds = np.arange(len(contexts)), plan.seeds(0)
    states, noise = start_episodes(env, contexts, seeds, horizon)
    ages, episodes = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)  # steps of this episode; ended episodes
    for cast in casts:
        cast.begin(rows, np.zeros(len(rows), bool))
    for t in range(plan.steps):
        observations = env.observations(states)
        actions = casts[0].act(rows, observations, plan.streams.at(t, rows))
        if plan.other is not None:
            actions = casts[1].act(rows, observations, plan.other_streams.at(t, rows))
        inputs = (states, actions, contexts, noise[rows, ages])
        states, rewards, terminations = simulate_checked(env, inputs, batch_size or len(rows))
        ages += 1
        last = t + 1 == plan.steps
        truncations = (ages == horizon) | last
        transitions = Transitions(rows, observations, actions, rewards, env.observations(states), terminations, truncations)
        for cast in casts:
            cast.observe(transitions)
        ended = np.flatnonzero(terminations | truncations)
        if last or len(ended) == 0:
            continue
        episodes[ended] += 1
        for number in np.unique(episodes[ended]).tolist():
            restarted = ended[episodes[ended] == number]
            states[restarted], noise[restarted] = start_episodes(
                env, contexts[restarted], plan.seeds(number)[restarted], horizon
            )
        ages[ended] = 0
        for cast in casts:
            cast.begin(ended, np.ones(len(ended), bool))
