"""The datasets of the offline learners: at c0, and in contexts around c0."""

from typing import Any

import numpy as np

from offctx.data.collection.collect import collect
from offctx.data.dataset import ContextualDataset
from offctx.data.load import load_dataset
from offctx.data.storage.ids import dataset_folder
from tools.reproduce.cse.settings import REFERENCE, Environment, Learner


def data_kind(learner: Learner) -> str | None:
    """Which dataset a learner is trained on: "base" at c0, "ldr" around it; None online."""
    if learner.mode == "online":
        return None
    return "ldr" if learner.method == REFERENCE else "base"


def dataset_id(environment: Environment, kind: str, seed: int) -> str:
    """The id of the data at c0 ("base") or in contexts around it ("ldr")."""
    return f"offctx/{environment.name}/cse-{kind}{environment.data_episodes}-seed{seed}-v0"


def dataset(environment: Environment, kind: str, seed: int) -> ContextualDataset:
    """Load the dataset; collect it first where it does not exist."""
    name = dataset_id(environment, kind, seed)
    if dataset_folder(name).exists():
        return load_dataset(name)
    n = environment.data_episodes
    options: dict[str, Any] = {"policy": environment.behaviour(), "seed": seed, "progress": False}
    if kind == "base":
        return collect(environment.env, name, episodes_per_context=n, **options)
    contexts = environment.space.local(n, environment.ldr_radius, np.random.default_rng([seed, 3]))
    return collect(environment.env, name, contexts=contexts, gradients=False, **options)
