"""How the episodes of a dataset are cut into parts, each of which is played as one batch.

The cut depends on the environment and the number of episodes alone, never on who plays a part. So the same seed gives the same
bytes for any number of workers, and the memory that collection takes does not grow with the dataset.

Dimensions: E episodes, n of one part, p context.
"""

from dataclasses import dataclass

import numpy as np

from offctx.contexts.space import Contexts
from offctx.envs.base import Array
from offctx.envs.policies import Mixture
from offctx.envs.resolve import ResolvedEnv
from offctx.envs.rollout import episode_seeds
from offctx.workers.cuts import nearly_equal

PART_TRANSITIONS = 1 << 18  # about so many in a part, or fewer where they are large
PART_BYTES = 1 << 30
_POLICIES = 1  # the stream of random numbers that decides which policy plays an episode


@dataclass(frozen=True)
class Part:
    """Episodes that are played together.

    Attributes:
        number: of the part, from 0.
        first: the number of its first episode.
        contexts: of each episode (n, p).
        seeds: of each episode (n,).
        assignment: the index of the policy that plays each episode (n,).
    """

    number: int
    first: int
    contexts: Contexts
    seeds: Array
    assignment: Array


def all_episodes(contexts: Contexts, mixture: Mixture, seed: int) -> Part:
    """One part with an episode in each row of `contexts` (E, p). `seed` gives its own seed, and which policy plays it."""
    seeds = episode_seeds(seed, len(contexts))
    rng = np.random.default_rng([seed, _POLICIES])
    assignment = rng.choice(len(mixture.policies), size=len(seeds), p=mixture.probabilities)
    return Part(0, 0, contexts, seeds, assignment)


def cut(whole: Part, resolved: ResolvedEnv) -> list[Part]:
    """Cuts all episodes into parts of nearly equal size, in order.

    Args:
        whole: all episodes.
        resolved: the environment; parts are counted as if every episode lasted until its time limit.
    """
    most = max(min(PART_TRANSITIONS, PART_BYTES // transition_bytes(resolved)), 1)
    return [
        Part(k, begin, whole.contexts[begin:end], whole.seeds[begin:end], whole.assignment[begin:end])
        for k, (begin, end) in enumerate(nearly_equal(len(whole.contexts), resolved.horizon, most))
    ]


def transition_bytes(resolved: ResolvedEnv) -> int:
    """About how many bytes a transition takes, with derivatives, whether these are asked for or not."""
    env = resolved.env
    (o,), p = env.observation_space.shape or (1,), env.context_space.size
    (a,) = env.action_space.shape or (1,)
    state = env.start(np.random.default_rng(0), env.context_space.default)
    return 8 * (o + a + state.size + env.noise_size + 2 * p + o * p + 2)
