"""Known datasets by name, in Python."""

import os
import warnings
from collections.abc import Sequence

from offctx.data.collection.recipe_options import RecipeOptions
from offctx.data.dataset import ContextualDataset
from offctx.data.known.collect import collect_and_compare
from offctx.data.known.comparison import CardComparison
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
    target_return: float | None = None,
    temperature: float | None = None,
    description: str | None = None,
    author: str | Sequence[str] | None = None,
    author_email: str | Sequence[str] | None = None,
    license: str | None = None,
    code_permalink: str | None = None,
    n_jobs: int = 1,
    backend: Backend = "loky",
) -> ContextualDataset:
    """Collects a known dataset by its name, as `offctx collect NAME` does; `offctx list recipes` has the names.

    Args:
        name: such as "offctx/PendulumGoal/random-v0", or the path of a TOML recipe.
        dataset_id: the id of the dataset, in place of the name. Required where the recipe has a card, and seed, target_return
            or temperature make other data than the card's.
        seed: in place of the recipe's.
        progress: show progress bars.
        trust: let the recipe name a module that is imported, as in env = "module:Env-v0". This runs the module's code.
        target_return: that the recipe's Decision Transformers are asked to reach, in place of the recipe's.
        temperature: of the Discrete actions that they draw, in place of the recipe's.
        description: a sentence for the dataset's metadata, in place of the recipe's, as are the next four; "" for none.
        author: a name, or a list of names.
        author_email: an address, or a list of them.
        license: an SPDX identifier, such as "CC-BY-4.0".
        code_permalink: the address of the code that made the dataset.
        n_jobs: chunks that are played at a time, as `offctx.collect` has it.
        backend: "loky" or "ray", as `offctx.collect` has it.

    Returns:
        The dataset, as `offctx.load_dataset` returns it.

    Raises:
        DatasetError: no recipe has this name, the recipe is malformed, the id is taken, or it is that of a card and an option
            makes other data. `offctx.collect` raises what else is wrong.

    Warns:
        OffctxWarning: the data are not those of the recipe's card, to the last bit; the warning says by how much. There is no
            card of another seed, target return or temperature.

    Example::

        dataset = offctx.collect_known("offctx/PendulumGoal/random-v0")
    """
    options = RecipeOptions.check(
        dataset_id=dataset_id,
        seed=seed,
        target_return=target_return,
        temperature=temperature,
        description=description,
        author=author,
        author_email=author_email,
        license=license,
        code_permalink=code_permalink,
        trust=trust,
        progress=progress,
        n_jobs=n_jobs,
        backend=backend,
    )
    dataset, comparison = collect_and_compare(os.fspath(name), load_agent=load_agent, options=options)
    if isinstance(comparison, CardComparison) and not comparison.identical:
        warnings.warn(f"{dataset.dataset_id}: {comparison.render()}", OffctxWarning, stacklevel=2)
    return dataset
