"""The verb `list`: all that is there, by name."""

import importlib.util
import json

from offctx.algos import algorithms
from offctx.envs.registry import ENVIRONMENTS


def listed(run, *arguments):
    code, out, err = run("list", *arguments, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


def test_datasets_as_they_come(run, recipe):
    assert listed(run, "datasets") == {"datasets": []}
    assert run("list", "datasets")[1] == "datasets: none\n"
    run("collect", str(recipe), "-q")
    row = {"dataset_id": "cli/PendulumGoal/random-v0", "transitions": 800, "episodes": 4}
    assert listed(run, "datasets") == {"datasets": [row]}
    assert "  cli/PendulumGoal/random-v0  800          4" in run("list", "datasets")[1]


def test_a_broken_dataset_and_hidden_folders(run, recipe, tmp_path):
    for folder in ("cli/broken-v0", ".offctx-cache/x"):
        (tmp_path / "datasets" / folder / "data").mkdir(parents=True)
        (tmp_path / "datasets" / folder / "data" / "metadata.json").write_text("{")
    assert [row["dataset_id"] for row in listed(run, "datasets")["datasets"]] == ["cli/broken-v0"]
    assert "?" in run("list", "datasets")[1]
    broken = tmp_path / "datasets" / "cli" / "broken-v0" / "data" / "metadata.json"
    broken.write_text('{"total_steps": 1e999, "total_episodes": 1}')
    assert listed(run, "datasets")["datasets"][0]["transitions"] is None


def test_recipes_of_the_current_folder_and_of_the_source(run, tmp_path, recipe, monkeypatch):
    mine = tmp_path / "datasets" / "mine.toml"
    mine.write_text(recipe.read_text())
    monkeypatch.chdir(tmp_path)
    rows = listed(run, "recipes")["recipes"]
    assert {"recipe": "datasets/mine.toml", "env": "offctx/PendulumGoal-v0", "dataset_id": "cli/PendulumGoal/random-v0"} in rows
    assert any(row["recipe"].endswith("pendulum-goal-random.toml") for row in rows)


def test_environments_with_their_contexts(run):
    rows = listed(run, "environments")["environments"]
    assert [row["env"] for row in rows] == [each.id for each in ENVIRONMENTS]
    assert {"env": "offctx/PendulumGoal-v0", "context": "g, m, l, tau", "actions": "continuous", "steps": 200} in rows


def test_environments_whose_extra_is_not_installed_are_listed(run, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    rows = listed(run, "environments")["environments"]
    context, actions = "pole_length, action_factor", "needs offctx[dm-control]"
    assert {"env": "offctx/CartpoleBalance-v0", "context": context, "actions": actions, "steps": 1000} in rows
    assert [row["env"] for row in rows] == [each.id for each in ENVIRONMENTS]


def test_algorithms_with_their_actions(run):
    """The table says what the algorithms themselves say."""
    made = [
        {
            "algorithm": name,
            "actions": config_class().create().get_action_type().name.lower(),
            "package": config_class.__module__.partition(".")[0],
        }
        for name, config_class in sorted(algorithms().items())
    ]
    assert listed(run, "algorithms")["algorithms"] == made


def test_all_kinds(run, recipe):
    assert list(listed(run)) == ["datasets", "recipes", "environments", "algorithms"]
    code, _, err = run("list", "agents")
    assert code == 2 and "there is no list of 'agents'; there are datasets, recipes, environments, algorithms" in err
