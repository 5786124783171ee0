"""Recipes: actors as behaviour, faults named at the door, and every recipe and weight that datasets/ ships."""

from pathlib import Path

import numpy as np
import pytest

from offctx.algos import GaussianActor, load_actor, load_agent
from offctx.data.collection.from_recipe import collect_recipe
from offctx.data.recipes import read_recipe
from offctx.envs.policies import make_actor
from offctx.envs.resolve import resolve
from offctx.errors import DatasetError, PolicyError

DATASETS = Path(__file__).parents[2] / "datasets"
RECIPES = sorted(DATASETS.glob("*.toml"))
LADDER = ("random", "medium", "medium-replay", "expert")
HEAD = """
dataset_id = "test/Direction/mixed-v0"
env = "offctx/SimpleDirection-v0"
episodes_per_context = 40
seed = 5
"""


def constant(action: float) -> GaussianActor:
    """Nearly always this action, whatever it sees."""
    zero = np.zeros((2, 2), dtype=np.float32)
    mean, log_std = np.full(2, np.arctanh(action), dtype=np.float32), np.full(2, -5, dtype=np.float32)
    return GaussianActor(((zero, mean * 0),), (zero, mean), (zero, log_std))


@pytest.fixture
def recipe(tmp_path, datasets_path):
    """Write a recipe with two actors beside it."""
    (tmp_path / "weights").mkdir()
    for name, action in (("left", -0.5), ("right", 0.5)):
        constant(action).save(tmp_path / "weights" / f"{name}.safetensors")

    def write(text: str) -> Path:
        path = tmp_path / "recipe.toml"
        path.write_text(HEAD + text)
        return path

    return write


def collected(path: Path, **options):
    return collect_recipe(path, load_agent=load_agent, progress=False, **options)


LEFT = '[[policy]]\nactor = "weights/left.safetensors"\n'
RIGHT = '[[policy]]\nactor = "weights/right.safetensors"\n'


def test_an_actor_plays_and_samples(recipe):
    data = collected(recipe(LEFT))
    assert np.allclose(data.actions, -0.5, atol=0.05)
    assert len(np.unique(data.actions)) > len(data.actions)  # two coordinates, each drawn
    assert data.metadata.behaviour.policies == ["left"]


def test_an_actor_that_is_not_stochastic_gives_its_mode(recipe):
    data = collected(recipe('context = "hidden"\n' + LEFT + "stochastic = false\n"))
    assert np.allclose(data.actions, -0.5, atol=1e-6) and len(np.unique(data.actions)) == 1


def test_a_mode_with_the_context_appended_is_refused(recipe, no_new_files):
    with pytest.raises(PolicyError, match=r"takes inputs of shape \(2,\), but would get \(4,\)"):
        collected(recipe(LEFT + "stochastic = false\n"))


def test_a_mixture_by_weights(recipe):
    text = LEFT + "weight = 3.0\n" + RIGHT + '[[policy]]\nname = "random"\nweight = 0.0\n'
    data = collected(recipe(text))
    behaviour = data.metadata.behaviour
    assert behaviour.policies == ["left", "right", "random"] and behaviour.weights == [0.75, 0.25, 0.0]
    signs = data.actions[:, 0].reshape(40, 10) > 0
    assert (signs.all(axis=1) | ~signs.any(axis=1)).all()  # one policy an episode
    assert 2 <= signs.all(axis=1).sum() <= 20


def test_the_same_recipe_gives_the_same_bytes(recipe):
    path = recipe(LEFT + RIGHT)
    first, again, other = (
        collected(path, dataset_id=f"test/{name}-v0", seed=seed) for name, seed in (("a", 5), ("b", 5), ("c", 6))
    )
    assert first.metadata.sha256 == again.metadata.sha256 != other.metadata.sha256


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[policy]]\nname = "random"\nactor = "a.safetensors"\n', 'give one of name = "random", agent ='),
        ("[[policy]]\nweight = 1.0\n", 'give one of name = "random", agent ='),
        ('[[policy]]\nagent = "a.d3"\nactor = "a.safetensors"\n', "give one of"),
        ('[[policy]]\nactor = "expert.d3"\n', r'actor takes a \.safetensors file; .* agent = "<file>\.d3"'),
        ('[[policy]]\nname = "random"\nstochastic = true\n', "stochastic belongs to an actor"),
        ('[[policy]]\nagent = "a.d3"\nstochastic = false\n', "stochastic belongs to an actor"),
        (LEFT + 'stochastic = "yes"\n', "policy.0.stochastic"),
        (LEFT + "sampled = true\n", r"unknown key 'policy.0.sampled'; known there are .*actor, stochastic"),
    ],
)
def test_faults_are_named(text, message, recipe):
    with pytest.raises(DatasetError, match=message):
        read_recipe(recipe(text))


def test_a_missing_or_broken_actor_is_named_and_nothing_written(recipe, tmp_path, no_new_files):
    with pytest.raises(PolicyError, match=r"no actor at .*weights/up\.safetensors"):
        collected(recipe(LEFT.replace("left", "up")))
    (tmp_path / "weights" / "up.safetensors").write_bytes(b"PK")
    with pytest.raises(PolicyError, match=r"up\.safetensors is not an actor saved by offctx"):
        collected(recipe(LEFT.replace("left", "up")))


# --- what datasets/ ships --------------------------------------------------------------------------------------------------


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
