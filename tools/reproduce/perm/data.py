"""The datasets. Their behaviour policy sees the context; the learners do not.

Dimensions: n training contexts, p context, N rows, o observation, a action.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offctx.contexts.space import Contexts
from offctx.data.collection.collect import collect
from offctx.data.dataset import ContextualDataset
from tools.datasets import temporary_datasets
from tools.reproduce.perm.tasks import TASKS, ContextualTask, Floats

_UNSEEN_SEED = 1_000_000  # no dataset has this seed
_SIZE_RATIO = 8  # episodes in the easiest contexts over those in the hardest, where data are confounded


@dataclass(frozen=True)
class DataSettings:
    """What a dataset depends on, beside its seed.

    Attributes:
        task: a name among TASKS.
        arrangement: "confounded": the easier a context, the more episodes it has (up to 8 times), and the poorer its
            behaviour; "benign": all contexts have the same number of episodes, of a behaviour half way between poor and
            good; "skilled": the same number of episodes of the good behaviour.
        contexts: n.
        share: of the task's number of episodes.
        noise: of the task's noise.
    """

    task: str
    arrangement: str = "confounded"
    contexts: int = 16
    share: float = 1.0
    noise: float = 1.0

    def __str__(self) -> str:
        words = [self.task, self.arrangement, f"n{self.contexts}"]
        return "-".join([*words, *([] if self.share == 1 else [f"share{self.share:g}"])])


def training_contexts(data: DataSettings, seed: int) -> Contexts:
    """The contexts (n, p) that the learners of a seed train on."""
    return TASKS[data.task].draw(np.random.default_rng([seed, 7]), data.contexts)


def unseen_contexts(task: ContextualTask, n: int) -> Contexts:
    """Other contexts (n, p) of the same distribution. They are the same for all seeds."""
    return task.draw(np.random.default_rng(_UNSEEN_SEED), n)


def skill(task: ContextualTask, data: DataSettings, contexts: Contexts) -> Floats:
    """How good the behaviour is in each context (N,): 0 is poor, 1 is good."""
    if data.arrangement == "confounded":
        return 1 - np.clip(task.ease(contexts), 0, 1)
    return np.full(len(contexts), {"benign": 0.5, "skilled": 1.0}[data.arrangement])


def sizes(task: ContextualTask, data: DataSettings, contexts: Contexts) -> NDArray[np.int64]:
    """The number of episodes in each context (n,)."""
    confounded = data.arrangement == "confounded"
    weights = _SIZE_RATIO ** np.clip(task.ease(contexts), 0, 1) if confounded else np.ones(len(contexts))
    total = task.episodes * data.share * len(contexts)
    episodes: NDArray[np.int64] = np.maximum(1, np.round(weights / weights.sum() * total)).astype(np.int64)
    return episodes


def behaviour(task: ContextualTask, data: DataSettings) -> Callable[[Floats, Contexts, np.random.Generator], Floats]:
    """The behaviour policy: skill * good + (1 - skill) * poor + noise."""

    def policy(observations: Floats, contexts: Contexts, rng: np.random.Generator) -> Floats:
        weight = skill(task, data, contexts)[:, None]
        actions = weight * task.good(observations) + (1 - weight) * task.poor(observations)
        noise = task.noise * data.noise * rng.standard_normal(actions.shape)
        return np.clip(actions + noise, -task.bound, task.bound)

    return policy


def dataset(data: DataSettings, seed: int) -> ContextualDataset:
    """Collect the dataset of a seed. This takes a second or two, so that the files are not kept."""
    task, contexts = TASKS[data.task], training_contexts(data, seed)
    rows = np.repeat(contexts, sizes(task, data, contexts), axis=0)
    with temporary_datasets():
        return collect(
            task.env, f"offctx/{task.name}/perm-v0", contexts=rows, policy=behaviour(task, data), seed=seed,
            gradients=False, progress=False,
        )  # fmt: skip
