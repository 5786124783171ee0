"""What each context coordinate changes, measured: the dynamics, the reward, the observation, several of these, or nothing.

Dimensions: N rows, p context.
"""

import numpy as np

from offctx.contexts.kinds import kinds_text
from offctx.envs.context_draws import draw_contexts, with_other_values
from offctx.envs.kinds import count_kinds
from offctx.envs.random_transitions import random_transitions
from offctx.envs.resolve import EnvLike, resolve


def context_kinds(env: EnvLike, seed: int = 0) -> dict[str, str]:
    """Measures what each context coordinate changes, on random transitions.

    Random actions are played in random valid contexts. Each transition is then simulated again with another value of one
    coordinate, from the same state, with the same action and noise. Numbers that differ in any bit count as different. A
    change that these transitions do not show, such as one in a region that random actions do not reach, is not seen.
    `env.context_space.kinds` is what the environment declares; `check_contextual_env` compares both.

    Args:
        env: a Gymnasium id, a factory or an environment.
        seed: of all random draws.

    Returns:
        For each coordinate "dynamics", "reward", "observation", several of these in this order, such as "dynamics, reward", or
        "none". "dynamics": it changes some next latent state or termination. "reward": it changes a reward for the same next
        latent state; where that is all, rewards of other contexts are known without simulating (`RewardRelabelling`).
        "observation": it changes what is observed of the same next latent state. "none": it changes no transition.

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
    counts = (
        count_kinds(resolved.env, rows, outcomes, with_other_values(space, rows.contexts, others, k)) for k in range(space.size)
    )
    return {name: kinds_text(each.kinds, "none") for name, each in zip(space.names, counts, strict=True)}
