"""The command line in process, and a recipe to begin with."""

import sys
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


@pytest.fixture
def recipe(tmp_path, monkeypatch) -> Path:
    """A file with RECIPE; datasets go below the test's folder."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "datasets"))
    (tmp_path / "datasets").mkdir()
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    return path
