"""The folder of the recipes that come with offctx: `datasets/` of a checkout, or its copy that a wheel installs."""

import importlib.metadata
from pathlib import Path

from offctx.errors import DatasetError

_PARENT = Path(__file__).resolve().parents[2]  # of the package: a checkout, or site-packages
_INSTALLED = Path("share/offctx/datasets")  # below the prefix of an installation, as data-files in pyproject.toml say


def recipes_folder() -> Path:
    """Returns the folder with the recipes (*.toml), their cards (CARDS.md) and the policies that they name (weights/).

    Raises:
        DatasetError: this copy of offctx has no recipes. This happens when somebody copied the package folder alone.

    Example::

        recipe = recipes_folder() / "pendulum-goal-random.toml"
        dataset = collect_recipe(recipe, load_agent=offctx.algos.load_agent)
    """
    if (_PARENT / "pyproject.toml").is_file() and (_PARENT / "datasets" / "CARDS.md").is_file():
        return _PARENT / "datasets"
    for folder in (*_recorded_folders(), _PARENT / _INSTALLED):  # the second is where `pip install --target` puts them
        if (folder / "CARDS.md").is_file():
            return folder
    raise DatasetError("this copy of offctx has no recipes: install offctx with pip, or use a checkout of its repository")


def _recorded_folders() -> list[Path]:
    """The folders that pip's record of the installation names."""
    try:
        files = importlib.metadata.files("offctx") or []
    except importlib.metadata.PackageNotFoundError:
        return []
    cards = (_INSTALLED / "CARDS.md").as_posix()
    return [Path(str(file.locate())).resolve().parent for file in files if file.as_posix().endswith(cards)]
