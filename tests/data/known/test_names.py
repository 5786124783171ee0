"""Names of known datasets lead to recipes."""

import os
from pathlib import Path

import pytest

from offctx.data.known.names import find_recipe, known_recipes, recipe_file
from offctx.data.recipes import read_recipe
from offctx.data.shipped_recipes import recipes_folder
from offctx.errors import DatasetError

NAME = "offctx/PendulumGoal/random-v0"
MINE = 'dataset_id = "{}"\nenv = "offctx/PendulumGoal-v0"\nseed = 0\n'


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder, which is the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "datasets").mkdir()
    return tmp_path


def test_a_name_leads_to_its_recipe(here):
    assert recipe_file(NAME) == recipes_folder() / "pendulum-goal-random.toml"


def test_recipes_of_the_current_folder_have_names_too_and_do_not_hide_ours(here):
    (here / "datasets" / "a.toml").write_text(MINE.format("mine/Pendulum-v0"))
    (here / "datasets" / "b.toml").write_text(MINE.format(NAME))
    (here / "datasets" / "no-recipe.toml").write_text("[tool]\n")
    assert find_recipe("mine/Pendulum-v0") == Path("datasets/a.toml")
    assert find_recipe(NAME) == recipes_folder() / "pendulum-goal-random.toml"
    assert Path("datasets/no-recipe.toml") not in known_recipes()


def test_what_is_no_regular_file_is_no_recipe_and_is_not_waited_for(here):
    os.mkfifo(here / "datasets" / "fifo.toml")
    (here / "datasets" / "folder.toml").mkdir()
    (here / "datasets" / "link.toml").symlink_to(here / "mine")
    (here / "mine").write_text(MINE.format("mine/Pendulum-v0"))
    assert find_recipe("mine/Pendulum-v0") == Path("datasets/link.toml")
    with pytest.raises(DatasetError, match="not a regular file"):
        read_recipe(here / "datasets" / "fifo.toml")


def test_a_path_is_taken_as_it_is(here):
    (here / "recipe").write_text("")
    assert recipe_file("nowhere/mine.toml") == Path("nowhere/mine.toml")
    assert recipe_file("recipe") == Path("recipe")


def test_an_unknown_name_names_those_that_are_alike(here):
    with pytest.raises(DatasetError, match=r"no recipe is known as 'offctx/PendulumGoal/randm-v0'.*did you mean .*/random-v0"):
        recipe_file("offctx/PendulumGoal/randm-v0")
    with pytest.raises(DatasetError, match=r"those that there are$"):
        recipe_file("zzz")


def test_without_recipes_of_ours_only_those_here_are_known(here, monkeypatch):
    def none() -> Path:
        raise DatasetError("no recipes")

    monkeypatch.setattr("offctx.data.known.names.recipes_folder", none)
    assert known_recipes() == {} and find_recipe(NAME) is None
