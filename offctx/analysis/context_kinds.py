"""What each context coordinate changes, measured: the dynamics, the reward alone, or nothing.

Dimensions: N rows, p context.
"""

from typing import Literal

import numpy as np

from offctx.envs.base import Array, ContextualEnv
from offctx.envs.context_draws import draw_contexts, with_other_values
from offctx.envs.policies import make_actor
from offctx.envs.resolve import EnvLike, ResolvedEnv, resolve
from offctx.envs.rollout import episode_seeds, play

ContextKind = Literal["dynamics", "reward", "none"]

_EPISODES, _STEPS = 32, 64  # of the random episodes, at most


def context_kinds(env: EnvLike, seed: int = 0) -> dict[str, ContextKind]:
    """Measures what each context coordinate changes, on random transitions.

    Random actions are played in random valid contexts. Each transition is then simulated again with another value of one
    coordinate, from the same state, with the same action and noise. Numbers that differ in any bit count as different. A
    change that these transitions do not show, such as one in a region that random actions do not reach, is not seen.

    Args:
        env: a Gymnasium id, a factory or an environment.
        seed: of all random draws.

    Returns:
        For each coordinate "dynamics", where it changes some next state or termination (and maybe the reward); "reward",
        where it changes rewards alone: rewards of other contexts are then known without simulating (`RewardRelabelling`);
        or "none", where it changes no transition.

    Raises:
        EnvError: the environment is not contextual, or has no time limit or no bounded actions.

    Example::

        offctx.context_kinds("offctx/CartGoal-v0")
        # {'g': 'dynamics', 'm_pole': 'dynamics', 'm_cart': 'dynamics', 'l': 'dynamics', 'goal': 'reward'}
    """
    resolved = resolve(env)
    space = resolved.env.context_space
    rows, outcomes = _random_transitions(resolved, seed)
    others = draw_contexts(space, np.random.default_rng([seed, 1]), len(rows[2]))
    return {name: _kind(resolved.env, rows, outcomes, others, k) for k, name in enumerate(space.names)}


def _random_transitions(resolved: ResolvedEnv, seed: int) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    """The arguments of `simulate` in random episodes, and what it gave."""
    env, rng = resolved.env, np.random.default_rng([seed, 0])
    contexts = draw_contexts(env.context_space, rng, _EPISODES)
    seeds, assignment = episode_seeds(seed, _EPISODES), np.zeros(_EPISODES, int)
    shortened = ResolvedEnv(env, min(_STEPS, resolved.horizon), resolved.name, resolved.spec)
    actor = make_actor("random", env, "hidden")
    steps = list(play(shortened, contexts, seeds, [actor], assignment, rng))
    rows = [(step.states, step.actions, contexts[step.rows], step.noise) for step in steps]
    outcomes = [(step.next_states, step.rewards, step.terminations) for step in steps]
    first, second = (tuple(np.concatenate(part) for part in zip(*parts, strict=True)) for parts in (rows, outcomes))
    return first, second


def _kind(
    env: ContextualEnv, rows: tuple[Array, ...], outcomes: tuple[Array, ...], others: Array, coordinate: int
) -> ContextKind:
    """What another value of one coordinate changes; `others` (N, p) holds the values to take."""
    states, actions, contexts, noise = rows
    moved = with_other_values(env.context_space, contexts, others, coordinate)
    next_states, rewards, terminations = (
        not np.array_equal(before, after, equal_nan=True)
        for before, after in zip(outcomes, env.simulate(states, actions, moved, noise), strict=True)
    )
    return "dynamics" if next_states or terminations else "reward" if rewards else "none"
