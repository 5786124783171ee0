"""Building a known dataset by its name, and comparing it with the card of its recipe."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from offctx.data.collection.from_recipe import collect_recipe
from offctx.data.collection.recipe_options import BY_THE_RECIPE, RecipeOptions
from offctx.data.dataset import ContextualDataset
from offctx.data.known.comparison import CardComparison, compare_with_card
from offctx.data.known.names import recipe_file
from offctx.data.known.record import read_recipe_card
from offctx.envs.policies import Policy


class Collected(NamedTuple):
    """A dataset that was collected by a recipe.

    Attributes:
        dataset: as `load_dataset` returns it.
        comparison: with the card of the recipe; None where the recipe has no card, or was collected with another seed.
    """

    dataset: ContextualDataset
    comparison: CardComparison | None


def collect_and_compare(
    name_or_path: str | Path, *, load_agent: Callable[[Path], Policy], options: RecipeOptions = BY_THE_RECIPE
) -> Collected:
    """Collects the dataset of a recipe, and compares it with the recipe's card.

    Args:
        name_or_path: the dataset id of a known recipe, or a TOML file.
        load_agent: reads a policy from the path of a saved agent or actor, as `offctx.training.agents.load_agent` does.
        options: what is said beside the recipe.

    Raises:
        DatasetError: no recipe has this name, or the recipe or its card is malformed. `collect` raises what else is wrong.

    Example::

        dataset, comparison = collect_and_compare("offctx/PendulumGoal/random-v0", load_agent=offctx.algos.load_agent)
    """
    recipe = recipe_file(str(name_or_path))
    card = read_recipe_card(recipe)  # a malformed card is found before anything is played
    dataset = collect_recipe(recipe, load_agent=load_agent, options=options)
    if card is None or options.seed not in (None, card.seed) or options.transformer.given:
        return Collected(dataset, None)
    return Collected(dataset, compare_with_card(dataset, card))
