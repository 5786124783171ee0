"""The command line, in process: verbs, JSON, exit codes, and errors at the door."""

import json
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from d3rlpy.algos import DecisionTransformerConfig

import offctx
from offctx.data.collection import chunks as collection
from offctx.training.records import read_record
from tests.cli.helpers import RECIPE


def test_from_recipe_to_report(run, recipe, tmp_path):
    code, out, _ = run("collect", str(recipe), "--json", "-q")
    assert code == 0
    card = json.loads(out)
    assert card["transitions"] == 2 * 2 * 200
    assert [row["context"]["g"] for row in card["contexts"]] == [1.0, 2.0]

    code, out, _ = run("show", card["dataset_id"])
    assert code == 0
    assert "m/s^2" in out and "abs(tau) < m * g * l" in out and card["sha256"] in out

    agent = tmp_path / "cse.d3"
    options = ["--steps", "3", "--cse-radius", "g=0.5,tau=0.1", "--set", "batch_size=16", "--out", str(agent)]
    code, out, _ = run("train", card["dataset_id"], *options, "--json", "-q")
    assert code == 0 and json.loads(out)["agent"] == str(agent)
    assert offctx.algos.load_agent(agent).config.batch_size == 16

    options = ["--env", "offctx/PendulumGoal-v0", "--sweep", "g=1,4", "--episodes", "2", "--out", str(tmp_path / "report")]
    code, out, _ = run("evaluate", f"cse={agent}", "random", *options, "--json", "-q")
    assert code == 0
    report = json.loads(out)
    assert set(report["methods"]) == {"cse", "random", "zero action"} and set(report["splits"]) == {"train", "sweep_g"}
    assert (tmp_path / "report" / "report.html").exists()


def test_perm_and_pessimism(run, recipe, tmp_path):
    run("collect", str(recipe), "-q")
    files = []
    for k, options in enumerate((["perm", "--set", "groups=2"], ["td3plusbc"], ["td3plusbc", "--pessimism", "5"])):
        files.append(tmp_path / f"{k}.d3")
        common = ["--context", "hidden", "--steps", "2", "--out", str(files[-1]), "-q"]
        code, *_ = run("train", "cli/PendulumGoal/random-v0", "--algorithm", *options, *common)
        assert code == 0
    perm, plain, lowered = (offctx.algos.load_agent(file) for file in files)
    assert isinstance(perm, offctx.algos.PERM) and perm.groups == 2
    seen, torques = np.zeros((4, 3), dtype=np.float32), np.zeros((4, 1), dtype=np.float32)
    assert not np.array_equal(plain.predict_value(seen, torques), lowered.predict_value(seen, torques))


def test_cse_and_pessimism_in_one_agent(run, recipe, tmp_path):
    run("collect", str(recipe), "-q")
    weights = []
    for k, options in enumerate((["--cse-radius", "0.3"], ["--pessimism", "5"], ["--cse-radius", "0.3", "--pessimism", "5"])):
        file = tmp_path / f"{k}.d3"
        code, *_ = run("train", "cli/PendulumGoal/random-v0", *options, "--steps", "2", "--out", str(file), "-q")
        assert code == 0
        critics = offctx.algos.load_agent(file).impl.modules.q_funcs
        weights.append(np.concatenate([part.detach().numpy().ravel() for part in critics.parameters()]))
    assert not np.array_equal(weights[2], weights[0]) and not np.array_equal(weights[2], weights[1])


def test_derivatives_in_place_and_as_a_new_dataset(run, recipe, monkeypatch):
    from offctx.envs import PendulumGoal

    recipe.write_text(RECIPE.replace("seed = 0", "seed = 0\ngradients = false"))
    run("collect", str(recipe), "-q")
    code, out, err = run("derivatives", "cli/PendulumGoal/random-v0", "--new-id", "cli/PendulumGoal/random-v1", "--json", "-q")
    assert code == 0, err
    assert json.loads(out)["transitions"] == 800 and json.loads(out)["derivatives"]["source"] == "autodiff"
    code, out, _ = run("derivatives", "cli/PendulumGoal/random-v0", "-q")
    assert code == 0 and "cli/PendulumGoal/random-v0: derivatives of 800 transitions by autodiff" in out
    sums = {offctx.load_dataset(f"cli/PendulumGoal/random-v{k}").metadata.sha256 for k in (0, 1)}
    assert len(sums) == 1
    code, _, err = run("derivatives", "cli/PendulumGoal/random-v0", "-q")
    assert code == 2 and "overwrite" in err

    real = PendulumGoal.derivatives

    def interrupted(env, states, *rest):
        if len(states) > 4:  # more than the few rows that identify the environment
            raise KeyboardInterrupt
        return real(env, states, *rest)

    monkeypatch.setattr(PendulumGoal, "derivatives", interrupted)
    code, _, err = run("derivatives", "cli/PendulumGoal/random-v0", "--overwrite", "-q")
    assert code == 130 and "is as it was; the derivatives of 0 of its 800 transitions are kept" in err


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--cse-radius", "0.5,0.1"], "2 numbers; the context has 4"),
        (["--cse-radius", "g=0.5,g=0.1"], "names 'g' twice"),
        (["--cse-radius", "mass=1"], "unknown context name 'mass'"),
        (["--set", "batch_size=abc"], "batch_size must be a number"),
        (["--set", "batch_size=0"], "batch_size must be a whole number"),
        (["--set", "observation_scaler=standard"], "must be an object of d3rlpy"),
        (["--device", "abacus"], "--device 'abacus'"),
        (["--context", "shown"], '"append" or "hidden"'),
    ],
)
def test_bad_options_of_train(run, recipe, tmp_path, options, expected):
    run("collect", str(recipe), "-q")
    code, _, err = run("train", "cli/PendulumGoal/random-v0", "--out", str(tmp_path / "a.d3"), "-q", *options)
    assert code == 2
    assert expected in err and not (tmp_path / "a.d3").exists()


def test_validate_exits_nonzero_with_the_first_fault(run, recipe, tmp_path):
    run("collect", str(recipe), "-q")
    assert run("validate", "cli/PendulumGoal/random-v0")[0] == 0
    main_file = tmp_path / "datasets" / "cli" / "PendulumGoal" / "random-v0" / "data" / "main_data.hdf5"
    main_file.write_bytes(main_file.read_bytes()[:-5000])
    code, out, _ = run("validate", "cli/PendulumGoal/random-v0", "--json")
    assert code == 1
    assert json.loads(out)["valid"] is False and "main_data.hdf5" in json.loads(out)["fault"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (RECIPE + "speed = 3\n", "unknown key 'contexts.speed'"),
        ("speed = 3\n" + RECIPE, "unknown key 'speed'"),
        (RECIPE.replace("PendulumGoal-v0", "Nowhere-v0"), "Nowhere"),
        (RECIPE.replace("offctx/PendulumGoal-v0", "Hopper-v5"), "offctx/HopperPhysics-v0"),
        (RECIPE.replace("g = [1.0, 2.0]", "gravity = [1.0]"), "unknown context name 'gravity'"),
        (RECIPE.replace("g = [1.0, 2.0]", "g = [9.0]"), "g must lie in [0.5, 5]"),
        (RECIPE.replace("seed = 0", ""), "seed"),
        ("this is not TOML", "not TOML"),
    ],
)
def test_a_bad_recipe_is_named_and_nothing_is_written(run, recipe, tmp_path, text, expected):
    recipe.write_text(text)
    code, out, err = run("collect", str(recipe), "-q")
    assert code == 2
    assert expected in err and not out
    assert list((tmp_path / "datasets").rglob("*.hdf5")) == []


def test_an_interrupt_says_that_nothing_was_written(run, recipe, tmp_path, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(collection, "write_collection", interrupted)
    code, _, err = run("collect", str(recipe), "-q")
    assert code == 130
    assert "nothing was written" in err
    assert list((tmp_path / "datasets").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["train", "cli/none-v0"], "no dataset"),
        (["train", "cli/none-v0", "--out", "/nowhere/agent.d3"], "does not exist"),
        (["evaluate", "/nowhere/agent.d3", "--env", "offctx/PendulumGoal-v0"], "no agent at"),
        (
            ["evaluate", "random", "random", "--env", "offctx/PendulumGoal-v0", "--episodes", "1"],
            "two agents are called 'random'",
        ),
        (
            ["evaluate", "random", "--env", "offctx/PendulumGoal-v0", "--sweep", "mass"],
            "error: --sweep mass: unknown context name 'mass'",
        ),
        (["evaluate", "random", "--env", "CartPole-v1"], "ContextualEnv"),
        (["show", "no id"], "malformed dataset id"),
        (["derivatives", "cli/none-v0", "-q"], "no dataset"),
        (["derivatives", "cli/none-v0", "-q", "--batch-size", "0"], "batch_size must be a whole number"),
        (["evaluate", "random", "--env", "offctx/PendulumGoal-v0", "--baseline", "typo"], "no agent is called 'typo'"),
        (["evaluate", "random", "--env", "offctx/PendulumGoal-v0", "--sweep", "g", "--sweep", "g=1"], "names 'g' twice"),
        (["train", "cli/none-v0", "--out", "."], "it is a folder"),
        (["evaluate", "random", "--env", "offctx/PendulumGoal-v0", "--seed", "-1"], "'--seed'"),
        (["fly"], "fly"),
    ],
)
def test_errors_are_one_line(run, recipe, arguments, expected):
    code, out, err = run(*arguments, *(["-q"] if arguments[0] in ("train", "evaluate") else []))
    assert code == 2
    assert expected in err and "Traceback" not in err and not out


def test_a_large_dataset_is_shown_with_its_arrays_mapped(run, recipe, monkeypatch):
    _, out, _ = run("collect", str(recipe), "--json", "-q")
    dataset_id = json.loads(out)["dataset_id"]
    _, expected, _ = run("show", dataset_id, "--json")
    loaded = []

    def noted(*arguments, **options):
        loaded.append(load(*arguments, **options))
        return loaded[-1]

    load = offctx.data.load.load_dataset
    monkeypatch.setattr(offctx.data.load, "load_dataset", noted)
    monkeypatch.setattr(offctx.cli.show, "_MEMORY", "1kB")
    code, out, _ = run("show", dataset_id, "--json")
    assert code == 0 and out == expected and [dataset.lazy for dataset in loaded] == [True]


@pytest.mark.parametrize("verb", ["list", "collect", "show", "validate", "derivatives", "train", "evaluate", "demo"])
def test_help_teaches_by_an_example(run, verb):
    code, out, _ = run(verb, "--help")
    assert code == 0
    assert "\b" not in out and r"\b" not in out
    assert f"offctx {verb}" in " ".join(re.split("Examples?:", out)[1].split())
    assert "--json" in out


@pytest.mark.parametrize("several_processes", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_demo_ends_with_a_table_and_a_report(several_processes, run, tmp_path, monkeypatch):
    from offctx.training import demo

    monkeypatch.delenv("MINARI_DATASETS_PATH", raising=False)
    small = {"data_episodes": 3, "episodes": 2}
    setting = demo.Setting
    monkeypatch.setattr(demo, "Setting", lambda **options: setting(**options, **small))
    if not several_processes:
        monkeypatch.setattr(demo, "run_side_by_side", lambda work, arms, **_: [work(arm, lambda share: None) for arm in arms])
    code, out, err = run("demo", "--out", str(tmp_path), "--steps", "2", "-q")
    assert code == 0, err
    for arm in demo.ARMS:
        assert arm in out and demo.agent_file(tmp_path, arm).exists(), arm
    assert str(tmp_path / "report" / "report.html") in out
    assert read_record(tmp_path / "cse.d3").context == "append"
    assert read_record(tmp_path / "context-hidden.d3").context == "hidden"
    assert (tmp_path / "report" / "report.md").exists()


def test_the_entry_point_is_installed():
    done = subprocess.run([Path(sys.executable).parent / "offctx", "--help"], capture_output=True, text=True, check=True)
    assert "collect" in done.stdout


def test_help_keeps_the_lines_of_a_recipe(run):
    _, out, _ = run("collect", "--help")
    assert '      env = "offctx/PendulumGoal-v0"\n      episodes_per_context = 250\n' in out


def test_help_imports_neither_d3rlpy_nor_torch():
    code = """
import atexit, sys
atexit.register(lambda: print([name for name in ("torch", "d3rlpy", "mujoco", "minari", "matplotlib") if name in sys.modules]))
sys.argv = ["offctx", "--help"]
from offctx.cli import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("verb", ["list", "collect", "show", "validate", "derivatives", "train", "evaluate", "demo"])
def test_help_fits_in_80_columns(run, verb):
    lines = run(verb, "--help")[1].splitlines()
    assert [line for line in lines if len(line) > 80] == []
    assert [line for line in lines if re.match(r" *Examples?:", line) and not re.match(r"  \w", line)] == []


ARGUMENTS = {"evaluate": ["evaluate", "random", "--env", "offctx/PendulumGoal-v0"], "train": ["train", "cli/None/v0"]}
STOPPED = {"evaluate": "stopped\n", "train": "stopped: before the training began; no agent was saved\n"}


@pytest.mark.parametrize(
    ("module", "verb"),
    [(module, "evaluate") for module in ("typer", "gymnasium", "numpy", "torch", "d3rlpy")]
    + [("typer", "train"), ("numpy", "train"), ("d3rlpy", "train")]
    + [pytest.param(module, "train", marks=pytest.mark.slow) for module in ("gymnasium", "torch")],
)
def test_an_interrupt_while_libraries_are_imported_is_one_line(module, verb):
    code = f"""
import os, sys
class Interrupt:
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupt())
sys.argv = [os.path.join(os.path.dirname(sys.executable), "offctx"), *{ARGUMENTS[verb]}]
from offctx.cli import main
main()
"""
    if module == "d3rlpy":
        code = code.replace('"random"', '"agent.d3"')
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr, done.stdout) == (130, STOPPED[verb], "")


def test_the_package_is_a_command_too():
    done = subprocess.run([sys.executable, "-m", "offctx", "--help"], capture_output=True, text=True, check=True)
    assert "Usage: offctx" in done.stdout


def test_one_context_and_one_episode_are_in_the_singular(run, recipe):
    recipe.write_text(RECIPE.replace("[1.0, 2.0]", "[1.0]").replace("episodes_per_context = 2", "episodes_per_context = 1"))
    _, out, err = run("collect", str(recipe))
    assert "200 transitions in 1 episode\n" in out and "playing 1 episode:" in err
    _, out, _ = run("show", "cli/PendulumGoal/random-v0")
    assert "\n  1 context: episodes, return quantiles" in out and "transitions in 1 episode\n" in out
    assert run("validate", "cli/PendulumGoal/random-v0")[1].endswith("200 transitions in 1 episode\n")


def test_a_transformer_collects_with_the_target_return_of_the_command_line(run, recipe, tmp_path):
    algo = DecisionTransformerConfig(context_size=2, num_heads=1, num_layers=1).create()
    algo.create_impl((7,), 1)
    algo.save(tmp_path / "transformer.d3")
    recipe.write_text(RECIPE + '[[policy]]\nagent = "transformer.d3"\n')
    code, _, err = run("collect", str(recipe), "-q")
    assert code == 2 and "--target-return 150" in " ".join(err.split())
    code, out, _ = run("collect", str(recipe), "-q", "--target-return", "-50", "--json")
    assert code == 0 and json.loads(out)["behaviour"]["policies"] == ["DecisionTransformer"]
    code, _, err = run("collect", str(recipe), "-q", "--id", "a/b-v0", "--target-return", "-50", "--temperature", "1")
    assert code == 2 and "temperature is for Discrete actions" in " ".join(err.split())


def test_a_full_disk_exits_with_1_and_leaves_nothing(run, recipe, tmp_path, monkeypatch):
    """Other input would not help; a script can tell it from a wrong call, which exits with 2."""
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    code, _, err = run("collect", str(recipe))
    assert code == 1 and "the disk is too full" in err
    assert list((tmp_path / "datasets").iterdir()) == []


def test_a_file_that_may_not_grow_exits_with_1(run, recipe, tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        code, _, err = run("collect", str(recipe))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert code == 1 and "File too large" in err
