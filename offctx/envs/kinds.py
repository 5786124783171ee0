"""What a context coordinate changes, measured by simulating transitions again with another value of it.

`offctx.contexts.kinds` defines the kinds. Numbers that differ in any bit count as different.

Dimensions: N rows, E episodes, p context.
"""

from typing import NamedTuple

import numpy as np

from offctx.contexts.kinds import ContextKind, Kinds
from offctx.contexts.space import Contexts
from offctx.envs.base import Array, ContextualEnv
from offctx.envs.random_transitions import Outcomes, Rows


class KindCounts(NamedTuple):
    """In how many of N transitions another value of one coordinate changes something.

    Attributes:
        rows: N.
        certain: of each kind, rows in which it is seen for certain: the next latent state or the termination is another; the
            reward is another at the same next latent state; the observation of the same next latent state is another.
        possible: the same, with rows in which another next latent state may be the cause of another reward or observation.
    """

    rows: int
    certain: dict[ContextKind, int]
    possible: dict[ContextKind, int]

    @property
    def kinds(self) -> Kinds:
        """The kinds that are seen for certain."""
        return tuple(kind for kind, n in self.certain.items() if n)


def count_kinds(env: ContextualEnv, rows: Rows, outcomes: Outcomes, others: Contexts) -> KindCounts:
    """Counts what other contexts change in transitions.

    Args:
        env: the environment.
        rows: N transitions.
        outcomes: what `simulate` gives for them.
        others: contexts (N, p), such as those of the rows with another value of one coordinate.

    Returns:
        The counts. Where the environment cannot compute the reward of a transition at another context (`rewards_of`), the
        reward is compared in the rows whose next latent state stays the same.
    """
    next_states, rewards, terminations = env.simulate(rows.states, rows.actions, others, rows.noise)
    latent = [env.latent_states(states) for states in (outcomes.next_states, next_states)]
    latent_differs = _rows_that_differ(*latent)
    reward_differs = _rows_that_differ(outcomes.rewards, rewards)
    observation_differs = _rows_that_differ(env.observations(outcomes.next_states), env.observations(next_states))
    dynamics = latent_differs | (outcomes.terminations != terminations)
    certain_reward = _rewards_that_differ(env, rows, outcomes.next_states, others)
    certain = (
        dynamics,
        reward_differs & ~latent_differs if certain_reward is None else certain_reward,
        observation_differs & ~latent_differs,
    )
    possible = (dynamics, reward_differs if certain_reward is None else certain_reward, observation_differs)
    kinds: tuple[ContextKind, ...] = ("dynamics", "reward", "observation")
    counts = [dict(zip(kinds, (int(part.sum()) for part in parts), strict=True)) for parts in (certain, possible)]
    return KindCounts(len(rewards), *counts)


def _rewards_that_differ(env: ContextualEnv, rows: Rows, next_states: Array, others: Contexts) -> Array | None:
    """Which of the same transitions (N,) have another reward at other contexts; None where the environment cannot say."""
    before, after = (
        env.rewards_of(rows.states, rows.actions, next_states, contexts, rows.noise) for contexts in (rows.contexts, others)
    )
    return None if before is None or after is None else _rows_that_differ(before, after)


def _rows_that_differ(before: Array, after: Array) -> Array:
    """In which rows (N,) two arrays differ; NaN equals NaN."""
    differ = (before != after) & ~(np.isnan(before) & np.isnan(after))
    return np.asarray(differ.reshape(len(differ), -1).any(axis=1))
