"""Collect the datasets of recipes and write the recipes' cards: `datasets/cards/<recipe>.json`, and the table of CARDS.md.

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
from offctx.data.collection.from_recipe import collect_recipe
from offctx.data.known.record import RecipeCard, card_file, make_recipe_card
from offctx.data.recipes import read_recipe
from offctx.files import write_file
from tools.datasets import temporary_datasets

DATASETS = Path(__file__).resolve().parents[1] / "datasets"


def make(recipe: Path) -> RecipeCard:
    """Collects the dataset of a recipe below a temporary folder, and writes its card.

    Args:
        recipe: the TOML file.

    Returns:
        The card.
    """
    with temporary_datasets():
        dataset = collect_recipe(recipe, load_agent=load_agent)
        card = make_recipe_card(dataset, read_recipe(recipe).seed)
    path = card_file(recipe)
    path.parent.mkdir(exist_ok=True)
    write_file(path, card.model_dump_json() + "\n")
    return card


def with_checksums(page: str, checksums: dict[str, str]) -> str:
    """Returns the text of CARDS.md with these checksums: from names of recipes to SHA-256."""
    for name, sha256 in checksums.items():
        page = re.sub(rf"^(\| {re.escape(name)} \| `)[0-9a-f]{{64}}(` \|)$", rf"\g<1>{sha256}\g<2>", page, flags=re.MULTILINE)
    return page


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the cards of the recipes that are named, or of all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", type=Path, help="TOML files")
    recipes = parser.parse_args(arguments).recipes or sorted(DATASETS.glob("*.toml"))
    for recipe in recipes:
        card = make(recipe)
        print(f"{recipe.name}: {card.sha256}", flush=True)
        page = recipe.parent / "CARDS.md"
        if page.is_file():
            write_file(page, with_checksums(page.read_text(encoding="utf-8"), {recipe.name: card.sha256}))


if __name__ == "__main__":
    main()
