"""Recipes whose agents have a memory: target returns, temperatures and exploring policies, and what does not take them."""

from pathlib import Path
from typing import Any

import d3rlpy
import numpy as np
import pytest
import torch
from d3rlpy.algos import DecisionTransformerConfig, DiscreteDecisionTransformerConfig, SACConfig

import offctx
from offctx.algos import load_agent
from offctx.data.collection.from_recipe import collect_recipe
from offctx.data.collection.recipe_options import RecipeOptions
from offctx.data.collection.recipe_policies import TransformerSettings
from offctx.errors import DatasetError, PolicyError

ENVS = {False: "offctx/SimpleDirection-v0", True: "offctx/CartGoal-v0"}
SIZES = {False: (2, 2), True: (4, 2)}


@pytest.fixture(autouse=True)
def _datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "data"))


def transformer(folder: Path, discrete: bool) -> Any:
    """One with weights so large that its actions depend on the return to go."""
    d3rlpy.seed(0)
    kind = DiscreteDecisionTransformerConfig if discrete else DecisionTransformerConfig
    algo = kind(context_size=4, num_heads=1, num_layers=2).create()
    observations, actions = SIZES[discrete]
    algo.create_impl((observations,), actions)
    with torch.no_grad():
        for parameter in algo.impl.modules.transformer.parameters():
            parameter.mul_(3.0)
    algo.save(folder / "agent.d3")
    return algo


def recipe(folder: Path, policy: str, discrete: bool = False) -> Path:
    path = folder / "recipe.toml"
    path.write_text(
        f'dataset_id = "test/memory/recipe-v0"\nenv = "{ENVS[discrete]}"\nseed = 0\ncontext = "hidden"\ngradients = false\n'
        f"episodes_per_context = 3\n{policy}"
    )
    return path


AGENT = '[[policy]]\nagent = "agent.d3"\n'


def collected(path: Path, **options: Any) -> np.ndarray:
    name = f"test/memory/n{len(list(path.parent.rglob('*.hdf5')))}-v0"
    given = RecipeOptions(dataset_id=name, transformer=TransformerSettings(**options), progress=False)
    return collect_recipe(path, load_agent=load_agent, options=given).actions


def test_a_recipe_says_the_target_return_and_arguments_replace_it(tmp_path: Path) -> None:
    algo = transformer(tmp_path, False)
    path = recipe(tmp_path, AGENT + "target_return = 5\n")
    actions = collected(path)
    policy = offctx.TransformerPolicy(algo, 5.0)
    options = {"policy": policy, "episodes_per_context": 3, "seed": 0, "context": "hidden", "gradients": False}
    same = offctx.collect(ENVS[False], "test/memory/same-v0", progress=False, **options)
    assert np.array_equal(actions, same.actions)
    assert not np.array_equal(collected(path, target_return=-20.0), actions)
    assert np.array_equal(collected(path, target_return=5.0), actions)


def test_a_temperature_draws_discrete_actions(tmp_path: Path) -> None:
    transformer(tmp_path, True)
    text = AGENT + "target_return = 5.0\n"
    best, hot = collected(recipe(tmp_path, text, True)), collected(recipe(tmp_path, text + "temperature = 50.0\n", True))
    assert not np.array_equal(best, hot) and set(hot) == {0, 1}
    assert np.array_equal(collected(recipe(tmp_path, text, True), temperature=50.0), hot)


@pytest.mark.parametrize(
    ("policy", "options", "error", "message"),
    [
        (
            AGENT,
            {},
            PolicyError,
            r"agent = 'agent.d3', a DecisionTransformer, needs the return .* target_return = 150.0",
        ),
        (AGENT + "target_return = 1.0\ntemperature = 1.0\n", {}, PolicyError, "temperature is for Discrete actions"),
        (AGENT + "target_return = 1.0\nstochastic = true\n", {}, PolicyError, "takes no stochastic: give temperature"),
        (AGENT, {"target_return": float("nan")}, PolicyError, "target_return must be a number"),
        (
            '[[policy]]\nname = "random"\n',
            {"target_return": 1.0},
            PolicyError,
            "are for Decision Transformers, and none of the recipe's policies is one; found 'random'",
        ),
    ],
)
def test_what_does_not_fit_a_transformer(
    policy: str, options: dict[str, Any], error: type[DatasetError], message: str, tmp_path: Path
) -> None:
    transformer(tmp_path, False)
    with pytest.raises(error, match=message):
        collected(recipe(tmp_path, policy), **options)
    assert not list(tmp_path.rglob("*.hdf5"))


def test_other_agents_take_no_such_settings(tmp_path: Path) -> None:
    agent = SACConfig().create()
    agent.create_impl((2,), 2)
    agent.save(tmp_path / "agent.d3")
    for line, message in (
        ("target_return = 1.0", "a SAC, takes no target_return"),
        ("stochastic = true", "takes no stochastic"),
    ):
        with pytest.raises(PolicyError, match=message):
            collected(recipe(tmp_path, AGENT + line + "\n"))
    assert np.array_equal(collected(recipe(tmp_path, AGENT)), collected(recipe(tmp_path, AGENT + "stochastic = false\n")))
