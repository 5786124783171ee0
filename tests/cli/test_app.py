"""The command `offctx` itself: its version, and what a shell completes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import offctx
from offctx.cli.completion import recipe_files

ROOT = Path(__file__).parents[2]


def test_the_version_is_that_of_the_installed_package(run):
    code, out, err = run("--version")
    assert (code, out, err) == (0, f"offctx {offctx.__version__}\n", "")
    assert re.fullmatch(r"\d+\.\d+.*", offctx.__version__)


def test_the_version_is_read_from_the_metadata_when_it_is_wanted():
    code = """
import importlib.metadata
importlib.metadata.version = lambda name: "9.8.7" if name == "offctx" else "0"
import sys, offctx
print("offctx.version" in sys.modules, offctx.__version__)
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False 9.8.7\n"


COMPLETED = dict(
    [
        ("offctx ev", "evaluate"),
        ("offctx train --algo", "--algorithm"),
        ("offctx list rec", "recipes"),
        ("offctx train ID --context h", "hidden"),
        ("offctx evaluate random --env offctx/Pen", "offctx/PendulumGoal-v0"),
        ("offctx show test/run", "test/runner-v0"),
        ("offctx show offctx/SimpleD", "offctx/SimpleDirection/random-v0"),
        ("offctx collect offctx/SimpleD", "offctx/SimpleDirection/random-v0"),
        ("offctx train test/cho", "test/chooser-v0"),
        ("offctx train ID --algorithm discretepp", "discretepppo"),
        ("offctx demo --algorithm td3p", "td3plusbc"),
        ("offctx collect datasets/simple", "datasets/simple-direction-random.toml"),
    ]
)


@pytest.fixture(scope="module")
def completions(library):
    """What is printed for each line, and which large libraries are imported by then: one process for all lines."""
    code = """
import os, sys
from offctx.cli import main
sys.argv = ["offctx"]
for words in sys.stdin.read().splitlines():
    print("line", words, flush=True)
    os.environ |= {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    try:
        main()
    except SystemExit:
        print(*(name for name in ("torch", "d3rlpy", "mujoco") if name in sys.modules), flush=True)
"""
    asked = {"_OFFCTX_COMPLETE": "complete_bash", "PYTHONPATH": str(ROOT), "MINARI_DATASETS_PATH": str(library.root)}
    done = subprocess.run(
        [sys.executable, "-c", code], input="\n".join(COMPLETED), env=os.environ | asked, cwd=ROOT,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    answers = [answer.partition("\n") for answer in done.stdout.split("line ")[1:]]
    return {words: printed.split() for words, _, printed in answers}


@pytest.mark.parametrize(("words", "expected"), COMPLETED.items())
def test_a_shell_completes_verbs_options_and_values(words, expected, completions):
    """Without torch and d3rlpy, which take seconds to import."""
    assert completions[words] == [expected]


def test_recipes_elsewhere_are_completed_by_what_is_typed(tmp_path, monkeypatch):
    for name in ("mine.toml", "more/other.toml", "more/notes.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    assert recipe_files("m") == ["mine.toml", "more/other.toml"]
    assert recipe_files(f"{tmp_path}/more/") == [f"{tmp_path}/more/other.toml"]
    assert str(ROOT / "datasets" / "pendulum-goal-random.toml") in recipe_files("")


def test_the_completion_script_is_valid_for_the_module_too():
    asked = ["bash", "-c", f"{sys.executable} -m offctx --show-completion bash; exit $?"]  # typer looks for a shell above it
    script = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    assert "_OFFCTX_COMPLETE=complete_bash" in script
    assert script.splitlines()[-1] == "complete -o default -F _offctx_completion offctx"
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_the_list_of_verbs_is_not_cut(run):
    _, out, _ = run("--help")
    verbs = out.partition("Commands:")[2]
    assert "..." not in verbs and "  train         Train an algorithm on a dataset and save the agent\n" in verbs


def test_completion_can_be_installed(run):
    _, out, _ = run("--help")
    assert "--install-completion" in out
