"""Known datasets by name, in Python."""

import os
import warnings

from offctx.data.dataset import ContextualDataset
from offctx.data.known.collect import collect_and_compare
from offctx.errors import OffctxWarning
from offctx.training.agents import load_agent
from offctx.workers.engine import Backend


def collect_known(
    name: str | os.PathLike[str],
    *,
    dataset_id: str | None = None,
    seed: int | None = None,
    progress: bool = True,
    trust: bool = False,
    n_jobs: int = 1,
    backend: Backend = "loky",
) -> ContextualDataset:
    """Collects a known dataset by its name, as `offctx collect NAME` does; `offctx list recipes` has the names.

    Args:
        name: such as "offctx/PendulumGoal/random-v0", or the path of a TOML recipe.
        dataset_id: the id of the dataset, in place of the name.
        seed: in place of the recipe's.
        progress: show progress bars.
        trust: let the recipe name a module that is imported, as in env = "module:Env-v0". This runs the module's code.
        n_jobs: chunks that are played at a time, as `offctx.collect` has it.
        backend: "loky" or "ray", as `offctx.collect` has it.

    Returns:
        The dataset, as `offctx.load_dataset` returns it.

    Raises:
        DatasetError: no recipe has this name, the recipe is malformed, or the id is taken. `offctx.collect` raises what else
            is wrong.

    Warns:
        OffctxWarning: the data are not those of the recipe's card, to the last bit; the warning says by how much.

    Example::

        dataset = offctx.collect_known("offctx/PendulumGoal/random-v0")
    """
    dataset, comparison = collect_and_compare(
        os.fspath(name),
        load_agent=load_agent,
        dataset_id=dataset_id,
        seed=seed,
        progress=progress,
        trust=trust,
        n_jobs=n_jobs,
        backend=backend,
    )
    if comparison is not None and not comparison.identical:
        warnings.warn(f"{dataset.dataset_id}: {comparison.render()}", OffctxWarning, stacklevel=2)
    return dataset
