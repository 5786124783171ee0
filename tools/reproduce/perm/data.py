"""The datasets. Their behaviour policy sees the context; the learners do not.

Dimensions: n training contexts, p context, N rows, o observation, a action.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offctx.contexts.space import Contexts
from offctx.data.collection.collect import collect
from offctx.data.dataset import ContextualDataset
from tools.datasets import datasets_in, temporary_datasets
from tools.reproduce.perm.mine import nearest_diamond
from tools.reproduce.perm.natural import BUDGETS, replays
from tools.reproduce.perm.tasks import ARRANGED, TASKS, ArrangedTask, ContextualTask, Floats

Behaviour = Callable[[Floats, Contexts, np.random.Generator], NDArray[Any]]

_BEST_MINER = 0.6  # the largest chance of the good move
_SIZE_RATIO = 8  # episodes in the easiest contexts over those in the hardest, where data are confounded


@dataclass(frozen=True)
class DataSettings:
    """What a dataset depends on, beside its seed.

    Attributes:
        task: a name among TASKS.
        arrangement: "confounded": the easier a context, the more episodes it has (up to 8 times), and the poorer its
            behaviour; "benign": all contexts have the same number of episodes, of a behaviour half way between poor and
            good; "skilled": the same number of episodes of the good behaviour; "natural": the replay of a SAC agent that
            learns in the context alone; "levels": of Mine, the same number of episodes in each level, of a behaviour whose
            skill is drawn for each level.
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


def unseen_contexts(task: ContextualTask, n: int, seed: int) -> Contexts:
    """Other contexts (n, p) of the same distribution; the seed is none of a dataset's."""
    return task.draw(np.random.default_rng(seed), n)


def skill(task: ArrangedTask, data: DataSettings, contexts: Contexts) -> Floats:
    """How good the behaviour is in each context (N,): 0 is poor, 1 is good."""
    if data.arrangement == "confounded":
        return 1 - np.clip(task.ease(contexts), 0, 1)
    return np.full(len(contexts), {"benign": 0.5, "skilled": 1.0}[data.arrangement])


def sizes(task: ArrangedTask, data: DataSettings, contexts: Contexts) -> NDArray[np.int64]:
    """The number of episodes in each context (n,)."""
    confounded = data.arrangement == "confounded"
    weights = _SIZE_RATIO ** np.clip(task.ease(contexts), 0, 1) if confounded else np.ones(len(contexts))
    total = task.episodes * data.share * len(contexts)
    episodes: NDArray[np.int64] = np.maximum(1, np.round(weights / weights.sum() * total)).astype(np.int64)
    return episodes


def behaviour(task: ArrangedTask, data: DataSettings) -> Behaviour:
    """The behaviour policy of an arranged task: skill * good + (1 - skill) * poor + noise."""

    def policy(observations: Floats, contexts: Contexts, rng: np.random.Generator) -> Floats:
        weight = skill(task, data, contexts)[:, None]
        actions = weight * task.good(observations) + (1 - weight) * task.poor(observations)
        noise = task.noise * data.noise * rng.standard_normal(actions.shape)
        return np.clip(actions + noise, -task.bound, task.bound)

    return policy


def miners(contexts: Contexts, seed: int) -> Behaviour:
    """The behaviour in Mine: with a chance that is drawn for each level, the way to the nearest diamond; else any move."""
    chances = dict(zip(contexts[:, 0], np.random.default_rng([seed, 10]).uniform(0, _BEST_MINER, len(contexts)), strict=True))

    def policy(observations: Floats, contexts: Contexts, rng: np.random.Generator) -> NDArray[np.int64]:
        skilled = rng.random(len(observations)) < [chances[number] for number in contexts[:, 0]]
        return np.where(skilled, nearest_diamond(observations), rng.integers(4, size=len(observations)))

    return policy


def dataset(data: DataSettings, seed: int, folder: Path) -> ContextualDataset:
    """The dataset of a seed. Natural data are kept in the folder; others are collected in seconds each time.

    Args:
        data: what it depends on.
        seed: its seed.
        folder: of kept datasets.
    """
    task, contexts = TASKS[data.task], training_contexts(data, seed)
    if data.arrangement == "natural":
        with datasets_in(folder):
            return replays(ARRANGED[data.task], contexts, BUDGETS[data.task], seed)
    if data.arrangement == "levels":
        rows, policy = np.repeat(contexts, round(task.episodes * data.share), axis=0), miners(contexts, seed)
    else:
        arranged = ARRANGED[data.task]
        rows, policy = np.repeat(contexts, sizes(arranged, data, contexts), axis=0), behaviour(arranged, data)
    with temporary_datasets():
        return collect(
            task.env, f"offctx/{task.name}/perm-v0", contexts=rows, policy=policy, seed=seed, gradients=False, progress=False
        )
