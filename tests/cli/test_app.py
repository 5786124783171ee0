"""The command `offctx` itself: its version, and what a shell completes."""

import os
import re
import subprocess
import sys

import pytest

import offctx


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


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("offctx ev", "evaluate"),
        ("offctx train --algo", "--algorithm"),
        ("offctx list rec", "recipes"),
        ("offctx train ID --context h", "hidden"),
        ("offctx evaluate random --env offctx/Pen", "offctx/PendulumGoal-v0"),
        ("offctx show test/run", "test/runner-v0"),
    ],
)
def test_a_shell_completes_verbs_options_and_values(words, expected, library_path):
    code = 'import sys; sys.argv = ["offctx"]; from offctx.cli import main; main()'
    asked = {"_OFFCTX_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | asked, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [expected]


def test_the_completion_script_is_valid_for_the_module_too():
    asked = [sys.executable, "-m", "offctx", "--show-completion", "bash"]
    script = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    assert "_OFFCTX_COMPLETE=complete_bash" in script
    assert script.splitlines()[-1] == "complete -o default -F _offctx_completion offctx"
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_completion_can_be_installed(run):
    _, out, _ = run("--help")
    assert "--install-completion" in out
