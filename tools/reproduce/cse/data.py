"""The datasets of the offline learners, and the radius within which CSE, jitter and LDR move contexts.

Dimensions: n episodes, K contexts, p context.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from offctx.analysis.radius import radius_report
from offctx.augmentations.cse import CSE
from offctx.contexts.redraw import redraw_until_valid
from offctx.contexts.space import Contexts
from offctx.data.collection.collect import collect
from offctx.data.dataset import ContextualDataset
from offctx.data.load import load_dataset
from offctx.data.storage.ids import dataset_folder
from tools.reproduce.cse.arms import ARMS
from tools.reproduce.cse.settings import OFFLINE, Environment, Floats, Learner

_REDRAWS = 1000


def data_kind(learner: Learner) -> str | None:
    """Which dataset a learner is trained on: "base", "ldr" or "gdr"; None where it is trained on none."""
    return ARMS[learner.method].data if learner.mode == OFFLINE else None


def dataset_id(environment: Environment, kind: str, seed: int) -> str:
    """The id of a dataset. Those of LDR and GDR name what decides about their contexts."""
    tags = {"ldr": f"{round(100 * environment.tolerance)}", "gdr": environment.range_tag}
    name = kind + tags.get(kind, "")
    return f"offctx/{environment.name}/cse-{name}-{environment.data_episodes}-seed{seed}-v0"


def dataset(environment: Environment, kind: str, seed: int) -> ContextualDataset:
    """Load the dataset; collect it first where it does not exist."""
    name = dataset_id(environment, kind, seed)
    if dataset_folder(name).exists():
        return load_dataset(name)
    n = environment.data_episodes
    options: dict[str, Any] = {"policy": environment.behaviour(), "seed": seed, "progress": False}
    if kind == "base":
        return collect(environment.env, name, episodes_per_context=n, **options)
    contexts = training_contexts(environment, kind, n, seed)
    return collect(environment.env, name, contexts=contexts, gradients=False, **options)


def training_contexts(environment: Environment, kind: str, n: int, seed: int) -> Contexts:
    """n contexts (n, p) of the training data of LDR or GDR, one an episode."""
    rng = np.random.default_rng([seed, 3])
    if kind == "ldr":
        return local_contexts(environment, radius(environment, seed), n, rng)
    return range_contexts(environment, n, rng)


def local_contexts(environment: Environment, radii: Floats, n: int, rng: np.random.Generator) -> Contexts:
    """Contexts (n, p) drawn as CSE draws them, around c0."""
    space = environment.space
    contexts, _ = CSE(radii).perturb(np.tile(space.default, (n, 1)).astype(np.float32), space, rng)
    return contexts.astype(np.float64)


def range_contexts(environment: Environment, n: int, rng: np.random.Generator) -> Contexts:
    """Valid contexts (n, p) uniform in the box that the sweeps and c0 span; discrete coordinates among the values there."""
    space, rows = environment.space, np.concatenate(list(environment.splits().values()))
    low, high = rows.min(axis=0), rows.max(axis=0)

    def propose(missing: NDArray[np.intp], _: int) -> tuple[Floats, NDArray[np.bool_]]:
        proposed = rng.uniform(low, high, (len(missing), space.size))
        for k in np.flatnonzero(~space.continuous):
            proposed[:, k] = rng.choice(np.unique(rows[:, k]), len(missing))
        return proposed, space.valid(proposed)

    contexts, invalid = redraw_until_valid(propose, n, _REDRAWS)
    if len(invalid):
        raise RuntimeError(f"no valid context of {environment.name} in {_REDRAWS} draws from the box of its sweeps")
    return contexts


def radius(environment: Environment, seed: int) -> Floats:
    """The radius of CSE, jitter and LDR in each coordinate (p,), read off the training data at c0 alone."""
    report = radius_report(dataset(environment, "base", seed), environment.env, tolerance=environment.tolerance)
    if report.suggested == 0:
        raise RuntimeError(f"{environment.name}: no radius is within the tolerance of {environment.tolerance:g}")
    moves, names = environment.moves, environment.space.names
    return np.where([moves is None or name in moves for name in names], report.radius, 0.0)
