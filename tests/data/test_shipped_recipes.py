"""The recipes and actors that datasets/ ships."""

from pathlib import Path

import numpy as np
import pytest

from offctx.algos import load_actor, load_agent
from offctx.data.recipes import read_recipe
from offctx.envs.policies import make_actor
from offctx.envs.resolve import resolve

DATASETS = Path(__file__).parents[2] / "datasets"
RECIPES = sorted(DATASETS.glob("*.toml"))
LADDER = ("random", "medium", "medium-replay", "expert")


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_of_ours_can_be_read_and_fits_its_environment(path):
    recipe = read_recipe(path)
    space = resolve(recipe.env).env.context_space
    assert len(recipe.contexts.make(space, recipe.seed)) >= 1
    assert recipe.dataset_id.startswith(recipe.env.removesuffix("-v0") + "/")
    assert recipe.description


def test_dataset_ids_are_different():
    ids = [read_recipe(path).dataset_id for path in RECIPES]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("task", ["half-cheetah-physics", "cheetah-velocity", "ant-direction"])
def test_the_ladder_is_whole(task):
    recipes = {kind: read_recipe(DATASETS / f"{task}-{kind}.toml") for kind in LADDER}
    assert len({recipe.env for recipe in recipes.values()}) == 1
    for kind, recipe in recipes.items():
        assert recipe.dataset_id.endswith(f"/{kind}-v0") and recipe.gradients
    members = {kind: [policy.actor or policy.name for policy in recipe.policy] for kind, recipe in recipes.items()}
    assert members["random"] == ["random"]
    assert [len(members[kind]) for kind in LADDER] == [1, 1, 4, 1] and members["medium-replay"][0] == "random"
    assert len({policy.weight for policy in recipes["medium-replay"].policy}) == 1  # equal shares
    named = [actor.rpartition("-")[0] for kind in ("medium", "expert") for actor in members[kind]]
    assert len(set(named)) == 1


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_actor_that_is_here_acts_in_its_environment(path):
    recipe = read_recipe(path)
    task, rng = resolve(recipe.env), np.random.default_rng(0)
    context = task.env.context_space.default
    seen = task.env.observations(task.env.start(rng, context)[None])
    for policy in recipe.policy:
        if policy.actor is None or not (DATASETS / policy.actor).exists():
            continue
        act = make_actor(policy.make(DATASETS, load_agent), task.env, recipe.context)
        assert task.env.action_space.contains(act(seen, context[None], rng)[0])
        about = load_actor(DATASETS / policy.actor, stochastic=False).about
        assert about["steps"] > 0 and np.isfinite(about["return"])
