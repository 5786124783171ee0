"""Promises are run: the examples, and the blocks of the README, with smaller numbers."""

import re
import runpy
import shlex
import sys
from pathlib import Path

import gym_notices.notices
import gymnasium
import numpy as np
import pytest

import offctx
from offctx import cli

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
EXAMPLES = {
    "attach_derivatives.py": ["--episodes", "1", "--steps", "20"],
    "physical_contexts.py": ["--steps", "3", "--episodes", "1"],
    "cse_online.py": ["--steps", "20"],
    "share_a_dataset.py": ["--episodes", "1"],
    "train_an_agent.py": ["--steps", "3", "--episodes", "2"],
    "plug_into_d3rlpy.py": ["--steps", "4", "--episodes", "2"],
    "pessimism_across_contexts.py": ["--trajectories", "200"],
    "linear_learners.py": ["--episodes", "2", "--iterations", "1"],
    "perm_beside_iql.py": ["--steps", "3", "--episodes", "1"],
    "pessimistic_rewards.py": ["--steps", "4"],
    "adapt_to_a_flipped_actuator.py": ["--steps", "2", "--episodes", "2"],
    "hidden_context.py": ["--steps", "3", "--episodes", "1"],
}
WITHOUT_DATASET = ("cse_online.py", "pessimism_across_contexts.py")


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "datasets"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(gym_notices.notices, "notices", {})  # programs call offctx.quiet(), which empties it
    yield tmp_path
    assert not (tmp_path / "d3rlpy_logs").exists()


def test_every_example_is_run():
    assert set(EXAMPLES) == {path.name for path in (ROOT / "examples").glob("*.py")}


@pytest.fixture
def short_evaluations(monkeypatch):
    """At most two episodes in each context, of 20 steps where the environment is given by its id."""
    evaluate = offctx.evaluate

    def short(policy, env, *arguments, episodes, **options):
        env = gymnasium.make(env, max_episode_steps=20) if isinstance(env, str) else env
        return evaluate(policy, env, *arguments, episodes=min(episodes, 2), **options)

    monkeypatch.setattr(offctx, "evaluate", short)


@pytest.mark.usefixtures("short_evaluations")
@pytest.mark.parametrize("name", EXAMPLES)
def test_example(name, elsewhere, monkeypatch):
    monkeypatch.setattr(sys, "argv", [name, *EXAMPLES[name]])
    runpy.run_path(str(ROOT / "examples" / name), run_name="__main__")
    assert bool(list(elsewhere.rglob("main_data.hdf5"))) == (name not in WITHOUT_DATASET)


def test_the_example_of_theory_shows_what_it_says(monkeypatch, capsys):
    """Merged PEVI plays safe for 0.3 a fork; PERM and the oracle take the risk for 0.5."""
    monkeypatch.setattr(sys, "argv", ["pessimism_across_contexts.py", "--trajectories", "500"])
    runpy.run_path(str(ROOT / "examples" / "pessimism_across_contexts.py"), run_name="__main__")
    means = {line[:20].strip(): float(line.split()[-1]) for line in capsys.readouterr().out.splitlines()[3:]}
    assert means == {"behaviour": 0.6, "merged PEVI": 0.9, "PERM": 1.5, "oracle": 1.5}


@pytest.mark.usefixtures("short_evaluations")
def test_readme_blocks(elsewhere):
    """In order, in one folder, each as its own program."""
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(blocks) == 7
    for block in blocks:
        small = re.sub(r"(\b(?:n_steps\w*|steps)=)[\d_]+", r"\g<1>4", block)
        small = re.sub(r"episodes_per_context=\d+", "episodes_per_context=2", small).replace("episodes=64", "episodes=2")
        small = small.replace("warmup=(1, 4, 16, 64)", "warmup=(1, 4)").replace(
            "max_episode_steps=1000", "max_episode_steps=50"
        )
        exec(compile(small, "README.md", "exec"), {"__name__": "readme"})
    assert (elsewhere / "out" / "report" / "report.html").exists()
    assert (elsewhere / "out" / "adapt" / "adaptation-flipped.png").exists()


def test_the_readme_in_the_shell(elsewhere, monkeypatch, capsys):
    """Each line of the block that collects, trains and evaluates, in order, with nothing that is not on the page."""
    (block,) = [text for text in re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL) if "offctx train" in text]
    recipe = (ROOT / "datasets" / "rotated-thrusters-random.toml").read_text()
    (elsewhere / "datasets").mkdir()
    small = re.sub(r"(?m)^episodes_per_context = \d+", "episodes_per_context = 2", recipe)
    (elsewhere / "datasets" / "rotated-thrusters-random.toml").write_text(small)
    monkeypatch.setattr("offctx.data.known.names.recipes_folder", lambda: elsewhere / "datasets")
    fewer = {"train": ["--steps", "4"], "evaluate": ["--episodes", "2"]}
    for line in block.splitlines():
        program, verb, *words = shlex.split(line)
        monkeypatch.setattr(sys, "argv", [program, verb, *words, *fewer.get(verb, []), "--quiet"])
        with pytest.raises(SystemExit) as done:
            cli.main()
        out = capsys.readouterr()
        assert (done.value.code, out.err) == (0, ""), line
    assert (elsewhere / "report" / "report.html").exists()


@pytest.mark.parametrize("name", ["TD3", "IQL", "DiscreteCQL"])
def test_the_guide_exports_stock_policies_as_onnx(name, elsewhere):
    import d3rlpy
    from onnx.reference import ReferenceEvaluator

    blocks = re.findall(r"```py\n(.*?)```", (ROOT / "docs" / "guide.md").read_text(), flags=re.DOTALL)
    (block,) = (block for block in blocks if "save_policy" in block)
    env = "offctx/CartGoal-v0" if name.startswith("Discrete") else "offctx/PendulumGoal-v0"
    buffer = offctx.collect(env, "guide/onnx-v0", episodes_per_context=1, seed=0).replay_buffer()
    agent = getattr(d3rlpy.algos, f"{name}Config")().create()
    agent.build_with_dataset(buffer)
    exec(compile(block, "guide.md", "exec"), {"__name__": "guide", "agent": agent})
    observations = buffer.table["observations"][:8]
    (actions,) = ReferenceEvaluator("policy.onnx").run(None, {"observations": observations})
    np.testing.assert_allclose(actions, agent.predict(observations), atol=1e-6)


def test_the_policy_with_memory_of_the_guide_gains_by_its_warm_up(elsewhere):
    blocks = re.findall(r"```py\n(.*?)```", (ROOT / "docs" / "guide.md").read_text(), flags=re.DOTALL)
    (block,) = (block for block in blocks if "warmup=" in block)
    names = {"__name__": "guide"}
    exec(compile(block, "guide.md", "exec"), names)
    assert names["gain"] > 0.5
    assert (elsewhere / "reports" / "inverted" / "adaptation-inverted.png").exists()


def test_the_quantifier_of_the_guide_keeps_the_contract():
    from offctx.uncertainty.testing import check_quantifier

    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "guide.md").read_text(), flags=re.DOTALL)
    (block,) = (block for block in blocks if "class Visits" in block)
    names = {"__name__": "guide"}
    exec(compile(block, "guide.md", "exec"), names)
    check_quantifier(names["Visits"](0.5))


def test_readme_names_only_what_is_there():
    text = (ROOT / "README.md").read_text()
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (ROOT / target).exists(), target
    commands = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make ([\w-]+)|`make ([\w-]+)`", text, flags=re.MULTILINE):
        assert f"{''.join(target)}:" in commands
