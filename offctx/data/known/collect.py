"""Building a known dataset by its name, and comparing it with the card of its recipe."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from offctx.data.collection.from_recipe import collect_recipe
from offctx.data.collection.recipe_options import BY_THE_RECIPE, RecipeOptions
from offctx.data.dataset import ContextualDataset
from offctx.data.known.comparison import CardComparison, NotCompared, compare_with_card, compare_with_known, known_card
from offctx.data.known.names import recipe_file
from offctx.data.known.record import read_recipe_card
from offctx.data.recipes import read_recipe
from offctx.envs.policies import Policy
from offctx.errors import DatasetError


class Collected(NamedTuple):
    """A dataset that was collected by a recipe.

    Attributes:
        dataset: as `load_dataset` returns it.
        comparison: with the card of the recipe, or of the known recipe that has the dataset's id; `NotCompared` where an
            option, such as another seed, gives other data; None where there is no card.
    """

    dataset: ContextualDataset
    comparison: CardComparison | NotCompared | None


def collect_and_compare(
    name_or_path: str | Path, *, load_agent: Callable[[Path], Policy], options: RecipeOptions = BY_THE_RECIPE
) -> Collected:
    """Collects the dataset of a recipe, and compares it with the recipe's card.

    Args:
        name_or_path: the dataset id of a known recipe, or a TOML file.
        load_agent: reads a policy from the path of a saved agent or actor, as `offctx.training.agents.load_agent` does.
        options: what is said beside the recipe.

    Raises:
        DatasetError: no recipe has this name, the recipe or its card is malformed, or an option gives other data than those of
            the card under the id that the card describes. `collect` raises what else is wrong.

    Example::

        dataset, comparison = collect_and_compare("offctx/PendulumGoal/random-v0", load_agent=offctx.algos.load_agent)
    """
    path = recipe_file(str(name_or_path))
    recipe, card = read_recipe(path), read_recipe_card(path)  # a malformed card is found before anything is played
    changes = ", ".join(options.changes_of_data(recipe))
    dataset_id = options.dataset_id or recipe.dataset_id
    if changes and ((card is not None and dataset_id == recipe.dataset_id) or known_card(dataset_id) is not None):
        raise DatasetError(
            f"{dataset_id} names the data that its card describes, and other data come of {changes}: give these an id of their "
            f"own, dataset_id="
        )
    dataset = collect_recipe(path, load_agent=load_agent, options=options)
    if card is None:
        return Collected(dataset, compare_with_known(dataset))
    return Collected(dataset, NotCompared(changes) if changes else compare_with_card(dataset, card))
