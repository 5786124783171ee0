"""What each context coordinate changes, measured: the dynamics, the reward alone, or nothing.

Dimensions: N rows, p context.
"""

from typing import Literal

import numpy as np

from offctx.envs.base import Array, ContextualEnv
from offctx.envs.context_draws import draw_contexts, with_other_values
from offctx.envs.random_transitions import Outcomes, Rows, random_transitions
from offctx.envs.resolve import EnvLike, resolve

ContextKind = Literal["dynamics", "reward", "none"]


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
    rows, outcomes = random_transitions(resolved, seed)
    others = draw_contexts(space, np.random.default_rng([seed, 1]), len(rows.contexts))
    return {name: _kind(resolved.env, rows, outcomes, others, k) for k, name in enumerate(space.names)}


def _kind(env: ContextualEnv, rows: Rows, outcomes: Outcomes, others: Array, coordinate: int) -> ContextKind:
    """What another value of one coordinate changes; `others` (N, p) holds the values to take."""
    moved = with_other_values(env.context_space, rows.contexts, others, coordinate)
    next_states, rewards, terminations = (
        not np.array_equal(before, after, equal_nan=True)
        for before, after in zip(outcomes, env.simulate(rows.states, rows.actions, moved, rows.noise), strict=True)
    )
    return "dynamics" if next_states or terminations else "reward" if rewards else "none"
