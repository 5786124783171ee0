"""Every recipe of ours has a card that fits it."""

import json
import re
from pathlib import Path

import pytest

from offctx.data.known.record import card_file, read_recipe_card
from offctx.data.recipes import read_recipe

DATASETS = Path(__file__).parents[3] / "datasets"
RECIPES = sorted(DATASETS.glob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_of_ours_has_a_card_that_fits_it(path):
    recipe, card = read_recipe(path), read_recipe_card(path)
    assert card is not None, "make it: python tools/cards.py datasets/" + path.name
    assert (card.dataset_id, card.seed) == (recipe.dataset_id, recipe.seed)
    assert card.episodes == sum(row.episodes for row in card.returns) and card.transitions == card.arrays["rewards"].shape[0]
    assert re.search(rf"^\| {re.escape(path.name)} \| `{card.sha256}` \|$", (DATASETS / "CARDS.md").read_text(), re.MULTILINE)
    assert json.loads(card_file(path).read_text())["packages"]["offctx"]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_of_ours_has_the_license_of_the_project(path):
    assert read_recipe(path).license == "MIT" and (DATASETS.parent / "LICENSE").read_text().startswith("MIT License")


def test_no_card_is_left_of_a_recipe_that_is_gone():
    cards = {path.stem for path in (DATASETS / "cards").glob("*")}
    assert cards == {path.stem for path in RECIPES}
