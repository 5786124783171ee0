"""The recipes are found in a checkout, and the wheel brings them along."""

import importlib.metadata
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from offctx.data import shipped_recipes
from offctx.data.shipped_recipes import recipes_folder
from offctx.errors import DatasetError

ROOT = Path(__file__).parents[2]
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "offctx", "datasets")


def _files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_checkout_has_its_own_recipes():
    assert recipes_folder() == ROOT / "datasets"


def test_a_copy_without_recipes_says_so(monkeypatch, tmp_path):
    def no_record(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(shipped_recipes, "_PARENT", tmp_path)
    monkeypatch.setattr(importlib.metadata, "files", no_record)
    with pytest.raises(DatasetError, match="this copy of offctx has no recipes"):
        recipes_folder()


def _built_wheel(tmp_path: Path) -> Path:
    """Builds the wheel from a copy of the sources, so that nothing is written beside them."""
    source = tmp_path / "source"
    source.mkdir()
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path), str(source))
    (wheel,) = tmp_path.glob("*.whl")
    return wheel


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    subprocess.run(command, check=True, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["--prefix", "--target"])
def test_an_installed_wheel_has_the_package_and_every_recipe(tmp_path, how):
    pytest.importorskip("setuptools")
    installed = tmp_path / "installed"
    # Without --ignore-installed, pip removes the offctx of the environment in which the tests run, in spite of --prefix.
    _pip("install", "--ignore-installed", "--no-deps", "--no-index", how, str(installed), str(_built_wheel(tmp_path)))
    (package,) = installed.rglob("offctx/py.typed")

    def run(program: str) -> str:
        command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(package.parents[1])!r}); {program}"]
        return subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path).stdout.strip()

    folder = run("from offctx.data.shipped_recipes import recipes_folder; print(recipes_folder())")
    assert Path(folder).is_relative_to(installed.resolve())
    assert _files(Path(folder)) == _files(ROOT / "datasets")
    listed = run("sys.argv = ['offctx', 'list', 'recipes', '--json']; from offctx.cli import main; main()")
    assert {tmp_path.resolve() / row["recipe"] for row in json.loads(listed)["recipes"]} == set(Path(folder).glob("*.toml"))
    modules = {name for name in _files(package.parent) if "__pycache__" not in name}
    assert modules == {name for name in _files(ROOT / "offctx") if "__pycache__" not in name}
