"""Building a known dataset by its name, and comparing it with the card of its recipe."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from offctx.data.collection.from_recipe import collect_recipe
from offctx.data.dataset import ContextualDataset
from offctx.data.known.comparison import CardComparison, compare_with_card
from offctx.data.known.names import find_recipe, recipe_file
from offctx.data.known.record import read_recipe_card
from offctx.envs.policies import Policy
from offctx.workers.engine import Backend


class Collected(NamedTuple):
    """A dataset that was collected by a recipe.

    Attributes:
        dataset: as `load_dataset` returns it.
        comparison: with the card of the recipe; None where the recipe has no card, or was collected with another seed.
    """

    dataset: ContextualDataset
    comparison: CardComparison | None


def collect_and_compare(
    name_or_path: str | Path,
    *,
    load_agent: Callable[[Path], Policy],
    dataset_id: str | None = None,
    seed: int | None = None,
    progress: bool = True,
    trust: bool = False,
    target_return: float | None = None,
    temperature: float | None = None,
    n_jobs: int = 1,
    backend: Backend = "loky",
) -> Collected:
    """Collects the dataset of a recipe, and compares it with the recipe's card.

    Args:
        name_or_path: the dataset id of a known recipe, or a TOML file.
        load_agent: reads a policy from the path of a saved agent or actor, as `offctx.training.agents.load_agent` does.
        dataset_id: in place of the recipe's.
        seed: in place of the recipe's; there is no card of another seed.
        progress: show progress bars.
        trust: let the recipe name a module that is imported, as in env = "module:Env-v0". This runs the module's code.
        target_return: that its Decision Transformers are asked to reach, in place of the recipe's; there is no card of it.
        temperature: of the Discrete actions that they draw, in place of the recipe's; there is no card of it.
        n_jobs: chunks that are played at a time, as `collect` has it.
        backend: "loky" or "ray", as `collect` has it.

    Raises:
        DatasetError: no recipe has this name, or the recipe or its card is malformed. `collect` raises what else is wrong.

    Example::

        dataset, comparison = collect_and_compare("offctx/PendulumGoal/random-v0", load_agent=offctx.algos.load_agent)
    """
    recipe = recipe_file(str(name_or_path))
    card = read_recipe_card(recipe)  # a malformed card is found before anything is played
    settings = {"target_return": target_return, "temperature": temperature}
    dataset = collect_recipe(
        recipe,
        load_agent=load_agent,
        dataset_id=dataset_id,
        seed=seed,
        progress=progress,
        trust=trust,
        n_jobs=n_jobs,
        backend=backend,
        **settings,
    )
    of_the_card = card is not None and seed in (None, card.seed) and set(settings.values()) == {None}
    return Collected(dataset, compare_with_card(dataset, card) if card is not None and of_the_card else None)


def compare_with_known(dataset: ContextualDataset) -> CardComparison | None:
    """Compares a dataset with the card of the recipe that has its name.

    Args:
        dataset: any.

    Returns:
        The comparison; None where the dataset was not made by offctx, its name is not known, its recipe has no card, or it was
        collected with another seed.

    Raises:
        DatasetError: the card is malformed.
    """
    recipe = find_recipe(dataset.dataset_id) if dataset.metadata else None
    card = read_recipe_card(recipe) if recipe else None
    if card is None or dataset.metadata is None or dataset.metadata.recipe.get("seed") != card.seed:
        return None
    return compare_with_card(dataset, card)
