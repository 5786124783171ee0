"""Transitions of random actions in random contexts: what an environment is tried out on.

Dimensions: N rows, s state, a action, p context, z noise coordinates.
"""

from typing import NamedTuple

import numpy as np

from offctx.envs.base import Array
from offctx.envs.context_draws import draw_contexts
from offctx.envs.policies import make_actor
from offctx.envs.resolve import ResolvedEnv
from offctx.envs.rollout import episode_seeds, play


class Rows(NamedTuple):
    """The arguments of `simulate`.

    Attributes:
        states: (N, s).
        actions: (N, a), or integers (N,) where Discrete.
        contexts: (N, p).
        noise: (N, z).
    """

    states: Array
    actions: Array
    contexts: Array
    noise: Array


class Outcomes(NamedTuple):
    """What `simulate` gives.

    Attributes:
        next_states: (N, s).
        rewards: (N,).
        terminations: (N,).
    """

    next_states: Array
    rewards: Array
    terminations: Array


def random_transitions(resolved: ResolvedEnv, seed: int, *, episodes: int = 32, steps: int = 64) -> tuple[Rows, Outcomes]:
    """The transitions of random episodes, each in a random valid context.

    Args:
        resolved: the environment.
        seed: of all random draws.
        episodes: how many.
        steps: of each, at most.

    Raises:
        EnvError: the action space has no bounds.
    """
    env, rng = resolved.env, np.random.default_rng([seed, 0])
    contexts = draw_contexts(env.context_space, rng, episodes)
    shortened = ResolvedEnv(env, min(steps, resolved.horizon), resolved.name, resolved.spec)
    actor, assignment = make_actor("random", env, "hidden"), np.zeros(episodes, int)
    played = list(play(shortened, contexts, episode_seeds(seed, episodes), [actor], assignment, rng))
    rows = [(step.states, step.actions, contexts[step.rows], step.noise) for step in played]
    outcomes = [(step.next_states, step.rewards, step.terminations) for step in played]
    return Rows(*map(np.concatenate, zip(*rows, strict=True))), Outcomes(*map(np.concatenate, zip(*outcomes, strict=True)))
