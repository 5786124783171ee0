"""The command line in process, and a recipe to begin with."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from offctx import cli
from tests.cli.helpers import RECIPE


@pytest.fixture
def run(monkeypatch, capsys):
    """Run `offctx ARGS` and give its exit code, standard output and standard error."""

    def call(*args: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["offctx", *args])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out = capsys.readouterr()
        return int(stop.value.code or 0), out.out, out.err

    return call


@pytest.fixture(scope="module")
def prepare(tmp_path_factory) -> Callable[..., Path]:
    """Runs commands in a new folder, which has the recipe and MINARI_DATASETS_PATH; returns the folder."""

    def call(*commands: list[str]) -> Path:
        folder = tmp_path_factory.mktemp("prepared")
        (folder / "datasets").mkdir()
        (folder / "recipe.toml").write_text(RECIPE)
        for command in commands:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("MINARI_DATASETS_PATH", str(folder / "datasets"))
                patch.chdir(folder)
                patch.setattr(sys, "argv", ["offctx", *command, "-q"])
                with pytest.raises(SystemExit) as stop:
                    cli.main()
            assert not stop.value.code, command
        return folder

    return call


@pytest.fixture
def recipe(tmp_path, monkeypatch) -> Path:
    """A file with RECIPE; datasets go below the test's folder."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "datasets"))
    (tmp_path / "datasets").mkdir()
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    return path
