"""Known datasets are built by their name and compared with the card."""

import json
import warnings
from pathlib import Path

import pytest

import offctx
from offctx.data.about import About
from offctx.data.collection.recipe_options import RecipeOptions
from offctx.data.known.collect import collect_and_compare
from offctx.data.known.comparison import NotCompared
from offctx.data.known.expected import expected_dataset, render_expected
from offctx.data.known.record import card_file, make_recipe_card
from offctx.errors import DatasetError, OffctxWarning

RECIPE = """
dataset_id = "mine/Direction/random-v0"
env = "offctx/SimpleDirection-v0"
episodes_per_context = 3
seed = 4
[contexts]
values = [[0.5, 0.0], [0.0, 0.25]]
"""


def collected(name, **options):
    return collect_and_compare(name, load_agent=None, options=RecipeOptions(progress=False, **options))


@pytest.fixture
def recipe(tmp_path, datasets_path, monkeypatch):
    """A recipe below the current folder's `datasets/`, with its card."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "datasets" / "direction.toml"
    path.write_text(RECIPE)
    dataset = collected(path, dataset_id="mine/first-v0").dataset
    card = make_recipe_card(dataset, 4).model_copy(update={"dataset_id": "mine/Direction/random-v0"})
    card_file(path).parent.mkdir()
    card_file(path).write_text(card.model_dump_json())
    return path


def test_a_known_name_is_built_and_is_identical(recipe):
    dataset, comparison = collected("mine/Direction/random-v0")
    assert dataset.dataset_id == "mine/Direction/random-v0" and comparison.identical


def test_another_id_is_compared_and_another_seed_is_not(recipe):
    name = "mine/Direction/random-v0"
    assert collected(name, dataset_id="mine/x-v0").comparison.identical
    assert collected(name, dataset_id="mine/x-v1", seed=5).comparison == NotCompared("seed 5 (the recipe's is 4)")
    assert collected(name, dataset_id="mine/x-v2", seed=4).comparison.identical


@pytest.mark.parametrize("given", [{}, {"dataset_id": "mine/Direction/random-v0"}])
def test_the_id_of_a_card_is_not_given_to_other_data(recipe, given, datasets_path):
    message = r"names the data that its card describes, and other data come of seed 5 \(the recipe's is 4\): .* dataset_id="
    with pytest.raises(DatasetError, match=message):
        offctx.collect_known("mine/Direction/random-v0", seed=5, progress=False, **given)
    with pytest.raises(DatasetError, match=message):
        collected("datasets/direction.toml", seed=5, **given)
    assert not (datasets_path / "mine" / "Direction").exists()


def test_the_id_of_a_known_card_is_not_given_to_other_data_of_another_recipe(recipe, tmp_path):
    other = tmp_path / "other.toml"
    other.write_text(RECIPE.replace("seed = 4", "seed = 6"))
    with pytest.raises(DatasetError, match="an id of their own"):
        collected(other, seed=7)
    comparison = collected(other).comparison
    assert comparison == NotCompared("its seed, 6 (the card's is 4)") and "because of its seed, 6" in comparison.render()
    other.write_text(RECIPE.replace("mine/Direction/random-v0", "mine/own-v0"))
    assert collected(other, seed=7).comparison is None  # no card says what this id holds


def test_what_is_said_of_the_dataset_stands_in_place_of_the_recipes_and_is_not_compared(recipe):
    recipe.write_text('author = "Ada"\nlicense = "MIT"\n' + RECIPE)
    given = About.check(author=["Alan", "Grace"], author_email="alan@example.org", description="Two contexts.")
    dataset, comparison = collected(recipe, dataset_id="mine/x-v0", about=given)
    assert comparison.identical
    assert dataset.about == About("Two contexts.", ("Alan", "Grace"), ("alan@example.org",), "MIT", None)
    assert collected(recipe, dataset_id="mine/x-v1", about=About(license="")).dataset.about == About(author=("Ada",))


def test_in_python_as_well(recipe):
    link = "https://example.org/code"
    options = {"author": "Ada", "author_email": ["a@b.org"], "license": "CC0-1.0", "code_permalink": link, "description": "D."}
    dataset = offctx.collect_known("mine/Direction/random-v0", progress=False, **options)
    assert dataset.about == About("D.", ("Ada",), ("a@b.org",), "CC0-1.0", link)
    with pytest.raises(DatasetError, match="license must be a text"):
        offctx.collect_known("mine/Direction/random-v0", dataset_id="mine/x-v0", progress=False, license=3)


def test_in_python_a_difference_is_a_warning(recipe):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        offctx.collect_known("mine/Direction/random-v0", progress=False)
    card = json.loads(card_file(recipe).read_text())
    card_file(recipe).write_text(json.dumps(card | {"sha256": "f" * 64}))
    with pytest.warns(OffctxWarning, match="the same up to rounding"):
        offctx.collect_known(Path("datasets/direction.toml"), dataset_id="mine/x-v0", progress=False)


def test_a_malformed_card_is_found_before_anything_is_played(recipe, datasets_path):
    card_file(recipe).write_text("{}")
    with pytest.raises(DatasetError, match="is not valid"):
        offctx.collect_known("mine/Direction/random-v0", progress=False)
    assert not (datasets_path / "mine" / "Direction").exists()


def test_what_a_recipe_would_make(recipe):
    expected = json.loads(json.dumps(expected_dataset("mine/Direction/random-v0"), allow_nan=False))
    assert (expected["episodes"], expected["most_transitions"], expected["built"]) == (6, 60, False)
    assert expected["contexts"] == [[0.5, 0.0], [0.0, 0.25]] and expected["card"]["transitions"] == 60
    text = render_expected(expected)
    assert "60 transitions in 6 episodes" in text and expected["card"]["sha256"] in text and "c_x=0.5, c_y=0 " in text


def test_it_says_how_to_build_it_also_where_the_recipe_is_elsewhere(recipe, tmp_path):
    here = expected_dataset("datasets/direction.toml")
    assert "`offctx collect mine/Direction/random-v0` builds it" in render_expected(here)
    moved = recipe.rename(tmp_path / "x.toml")
    assert f"`offctx collect {moved}` builds it" in render_expected(expected_dataset(moved))


def test_without_a_card_what_it_would_make_is_said_as_far_as_it_is_known(recipe):
    card_file(recipe).unlink()
    text = render_expected(expected_dataset(recipe))
    assert "at most 60 transitions in 6 episodes" in text and "the recipe has no card" in text


def test_a_recipe_of_a_foreign_environment_imports_nothing(recipe):
    recipe.write_text(RECIPE.replace("offctx/SimpleDirection-v0", "evil_module:Evil-v0"))
    card_file(recipe).unlink()
    expected = expected_dataset(recipe)
    assert expected["contexts"] is None and expected["number_of_contexts"] == 2
    assert "6 episodes\n" in render_expected(expected)


def test_of_very_many_contexts_only_the_number_is_told(recipe):
    recipe.write_text(RECIPE.replace("values = [[0.5, 0.0], [0.0, 0.25]]", "local = { n = 1000000, radius = 0.5 }"))
    expected = expected_dataset(recipe)
    assert expected["contexts"] is None and expected["number_of_contexts"] == 10**6
