"""Collect the datasets of recipes and write the recipes' cards: `datasets/cards/<recipe>.json`, and what CARDS.md says of them.

python tools/cards.py                                      every recipe; about an hour
python tools/cards.py datasets/pendulum-goal-random.toml   some of them
"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run from a checkout, installed or not

from offctx.algos import load_agent
from offctx.analysis.context_sensitivity import sensitivity_summary
from offctx.data.card import card, render
from offctx.data.collection.from_recipe import collect_recipe
from offctx.data.known.record import RecipeCard, card_file, make_recipe_card
from offctx.data.recipes import read_recipe
from offctx.files import write_file
from tools.datasets import temporary_datasets

DATASETS = Path(__file__).resolve().parents[1] / "datasets"


def make(recipe: Path) -> tuple[RecipeCard, str]:
    """Collects the dataset of a recipe below a temporary folder, and writes its card.

    Args:
        recipe: the TOML file.

    Returns:
        The card, and what `offctx show` prints of the dataset.
    """
    with temporary_datasets():
        dataset = collect_recipe(recipe, load_agent=load_agent)
        recipe_card = make_recipe_card(dataset, read_recipe(recipe).seed)
        shown = render(card(dataset, sensitivity_summary(dataset)))
    path = card_file(recipe)
    path.parent.mkdir(exist_ok=True)
    write_file(path, recipe_card.model_dump_json() + "\n")
    return recipe_card, shown


def with_checksums(page: str, checksums: dict[str, str]) -> str:
    """Returns the text of CARDS.md with these checksums: from names of recipes to SHA-256."""
    for name, sha256 in checksums.items():
        page = re.sub(rf"^(\| {re.escape(name)} \| `)[0-9a-f]{{64}}(` \|)$", rf"\g<1>{sha256}\g<2>", page, flags=re.MULTILINE)
    return page


def with_sample(page: str, name: str, shown: str) -> str:
    """Returns the text of CARDS.md with what `offctx show` prints of a recipe's dataset, in the section of the recipe."""
    section = re.compile(rf"(?<=^## {re.escape(name)}\n\n```\n).*?(?=\n```$)", flags=re.MULTILINE | re.DOTALL)
    return section.sub(lambda _: shown, page)


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the cards of the recipes that are named, or of all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", type=Path, help="TOML files")
    recipes = parser.parse_args(arguments).recipes or sorted(DATASETS.glob("*.toml"))
    for recipe in recipes:
        made, shown = make(recipe)
        print(f"{recipe.name}: {made.sha256}", flush=True)
        page = recipe.parent / "CARDS.md"
        if page.is_file():
            text = with_checksums(page.read_text(encoding="utf-8"), {recipe.name: made.sha256})
            write_file(page, with_sample(text, recipe.name, shown))


if __name__ == "__main__":
    main()
