"""Commands that need no large library import none: PyTorch, d3rlpy and MuJoCo take seconds of CPU time."""

import os
import shutil
import subprocess
import sys

import pytest

from offctx.data.known.record import card_file, make_recipe_card

HEAVY = ("torch", "d3rlpy", "mujoco", "matplotlib")
COMMANDS = {
    "list": "",
    "list --json": "",
    "show offctx/PendulumGoal/random-v0": "",  # not built
    "show offctx/HalfCheetahPhysics/expert-v0": "",
    "show test/pendulum-v0": "",
    "validate test/pendulum-v0": "",  # identical to the card of its recipe
    "validate test/runner-v0": "",
    "select test/runner-v0 --contexts 0 --new-id test/first-v0 -q": "",
    "select test/runner-v0 --contexts 1 --new-id test/second-v0 -q": "",
    "combine test/first-v0 test/second-v0 --new-id test/both-v0 -q": "",
    "push test/pendulum-v0 remote --no-cards -q": "",
    "pull remote test/pendulum-v0 -q": "",
    "clean": "",
    "push test/pendulum-v0 drawn -q": "matplotlib",  # the picture of its card: what is imported is seen
}
RECIPE = 'dataset_id = "test/pendulum-v0"\nenv = "offctx/PendulumGoal-v0"\nseed = 7\n'
CODE = f"""
import sys
import offctx.cli.app
from offctx.cli import main
offctx.load_dataset, offctx.pull, offctx.push, offctx.combine, offctx.clean
before = set()
for command in sys.stdin.read().splitlines():
    sys.argv = ["offctx", *command.split()]
    try:
        main()
    except SystemExit as stop:
        now = {{name for name in {HEAVY} if name in sys.modules}}
        print("\\nran", command, stop.code, *sorted(now - before), sep="\\t")
        before = now
"""


@pytest.fixture(scope="module")
def ran(library, tmp_path_factory):
    """From each command to its exit code and the large libraries that it was the first to import. All run in one process."""
    folder = tmp_path_factory.mktemp("light")
    shutil.copytree(library.root, folder / "data")
    recipe = folder / "datasets" / "mine.toml"
    card_file(recipe).parent.mkdir(parents=True)
    recipe.write_text(RECIPE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", str(folder / "data"))
        card_file(recipe).write_text(make_recipe_card(library.datasets["pendulum"], 7).model_dump_json())
        process = [sys.executable, "-c", CODE]
        done = subprocess.run(
            process, input="\n".join(COMMANDS), env=os.environ, cwd=folder, capture_output=True, text=True, check=True
        )
    assert "card: identical" in done.stdout
    rows = [line.split("\t") for line in done.stdout.splitlines() if line.startswith("ran\t")]
    return {command: (code, " ".join(names)) for _, command, code, *names in rows}, done.stderr


@pytest.mark.parametrize(("command", "libraries"), COMMANDS.items())
def test_a_command_imports_no_large_library_without_need(command, libraries, ran):
    results, errors = ran
    assert results[command] == ("0", libraries), errors
