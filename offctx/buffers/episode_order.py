"""The order of episodes in a buffer that hides more of the context than observations do.

`offctx.collect` writes the episodes of a context one after another, and the contexts in the order that it was given. So the
place of an episode would tell who shares a context, and which context of a mesh it is.

Dimensions: N transitions, E episodes.
"""

import numpy as np

from offctx.data.choice.part import take_episodes
from offctx.data.context_levels import ContextLevel
from offctx.data.dataset import ContextualDataset

_STREAM = 2  # of the seed of a buffer; 1 numbers anonymous ids


def with_hidden_order(dataset: ContextualDataset, level: ContextLevel, seed: int) -> ContextualDataset:
    """The dataset whose episodes stand in an order that tells nothing of contexts which learners do not know.

    Args:
        dataset: E episodes.
        level: "append" and "hidden" keep the order. "withheld": any order is as likely as any other. "anonymous": contexts
            alternate at random; the episodes of one context, which ids tell, keep their order, which is that of its windows.
        seed: of the order.

    Returns:
        The same episodes, with the same context ids.
    """
    if level in ("append", "hidden"):
        return dataset
    order = np.random.default_rng([seed, _STREAM]).permutation(dataset.num_episodes)
    if level == "anonymous":
        ids = dataset.episode_context_ids
        order[np.argsort(ids[order], kind="stable")] = np.argsort(ids, kind="stable")
    return take_episodes(dataset, order)
