"""Recipes: what they collect, and what is wrong with them."""

import os
from pathlib import Path

import numpy as np
import pytest

from offctx.algos import GaussianActor, load_agent
from offctx.data.collection.from_recipe import collect_recipe
from offctx.data.collection.recipe_options import RecipeOptions
from offctx.data.recipes import read_recipe
from offctx.errors import DatasetError, PolicyError

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
    return collect_recipe(path, load_agent=load_agent, options=RecipeOptions(progress=False, **options))


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


def test_the_zero_action_is_a_policy_by_name(recipe):
    data = collected(recipe('[[policy]]\nname = "zero"\n'))
    assert not data.actions.any() and data.metadata.behaviour.policies == ["zero"]


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
        ('[[policy]]\nname = "random"\ntarget_return = 1.0\n', "target_return belongs to an agent that is a Decision Trans"),
        ('[[policy]]\nactor = "a.safetensors"\ntemperature = 1.0\n', "temperature belongs to an agent that is a Decision"),
        ('[[policy]]\nagent = "a.d3"\ntarget_return = nan\n', "policy.0.target_return: Input should be a finite number"),
        ('[[policy]]\nagent = "a.d3"\ntarget_return = "150"\n', "policy.0.target_return: Input should be a valid number"),
        ('[[policy]]\nagent = "a.d3"\ntemperature = 0.0\n', "policy.0.temperature: Input should be greater than"),
        (LEFT + 'stochastic = "yes"\n', "policy.0.stochastic"),
        ("contexts = { local = { n = 3, radius = 0.1, seed = -5 } }", r"local\.seed: .* greater than or equal to 0; found -5"),
        ("contexts = { local = { n = 10000000, radius = 0.1 } }", r"local\.n: .* less than or equal to 1000000"),
        (LEFT + "weight = 0x" + "f" * 6000, "weight: .*found an integer of thousands of digits"),
        (LEFT + f"weight = {[1] * 1000}", r"weight: .*found \[1, 1, .{,200}\.\.\.$"),
        (".".join(["a"] * 20_000) + " = 1", r"not TOML: a key of more than 16 parts, 'a\.a"),
        (f"description = '{'a' * 5_000_000}'", "5,000,... bytes; expected at most 4,194,304"),
        (LEFT + "sampled = true\n", r"unknown key 'policy.0.sampled'; known there are .*actor, stochastic"),
    ],
)
def test_faults_are_named(text, message, recipe):
    with pytest.raises(DatasetError, match=message):
        read_recipe(recipe(text))


@pytest.mark.parametrize("seed", [-1, 2**128])
def test_seeds_have_limits(seed, tmp_path):
    (tmp_path / "recipe.toml").write_text(HEAD.replace("seed = 5", f"seed = {seed}"))
    with pytest.raises(DatasetError, match=r"seed: .* or equal to"):
        read_recipe(tmp_path / "recipe.toml")


@pytest.mark.parametrize("key", ["agent", "actor"])
def test_a_fifo_in_the_place_of_a_policy_is_not_waited_for(key, recipe, tmp_path, no_new_files):
    os.mkfifo(tmp_path / "weights" / "fifo.safetensors")
    with pytest.raises(PolicyError, match="not a regular file"):
        collected(recipe(f'[[policy]]\n{key} = "weights/fifo.safetensors"\n'))


def test_the_path_of_an_agent_that_no_file_can_have(recipe, no_new_files):
    with pytest.raises(PolicyError, match="no file can have this name"):
        collected(recipe('[[policy]]\nagent = "a\\u0000b"\n'))


def test_a_missing_or_broken_actor_is_named_and_nothing_written(recipe, tmp_path, no_new_files):
    with pytest.raises(PolicyError, match=r"no actor at .*weights/up\.safetensors"):
        collected(recipe(LEFT.replace("left", "up")))
    (tmp_path / "weights" / "up.safetensors").write_bytes(b"PK")
    with pytest.raises(PolicyError, match=r"up\.safetensors is not an actor saved by offctx"):
        collected(recipe(LEFT.replace("left", "up")))
