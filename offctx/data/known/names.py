"""From the name of a known dataset to its recipe.

Known are the recipes that come with offctx, and the TOML files in `datasets/` of the current folder. Where both have a
recipe of one name, that of offctx is taken.
"""

import contextlib
import difflib
from pathlib import Path

from offctx.data.recipes import Recipe, read_recipe
from offctx.data.shipped_recipes import recipes_folder
from offctx.errors import DatasetError


def recipe_paths() -> list[Path]:
    """Returns the files of the known recipes, relative to the current folder where they are below it."""
    here = Path.cwd()
    folders = {(here / "datasets").resolve()}
    with contextlib.suppress(DatasetError):  # a copy of the package alone has none
        folders.add(recipes_folder())
    paths = sorted(path for folder in folders for path in folder.glob("*.toml"))
    return [path.relative_to(here) if path.is_relative_to(here) else path for path in paths]


def known_recipes() -> dict[Path, Recipe]:
    """Returns the known recipes by their files. Files of another kind are left out."""
    recipes = {}
    for path in recipe_paths():
        with contextlib.suppress(DatasetError):
            recipes[path] = read_recipe(path)
    return recipes


def find_recipe(name: str) -> Path | None:
    """Returns the file of the known recipe whose dataset has this id; None where there is none."""
    own = [path for path, recipe in known_recipes().items() if recipe.dataset_id == name]
    return min(own, key=lambda path: not _comes_with_offctx(path), default=None)


def recipe_file(name_or_path: str) -> Path:
    """Returns the file of a recipe that is given by its path or by the id of its dataset.

    Args:
        name_or_path: such as "mine.toml" or "offctx/PendulumGoal/random-v0". What ends in .toml, and a file that is there,
            is a path.

    Raises:
        DatasetError: no known recipe has this name; the message has the names that are most like it.

    Example::

        recipe_file("offctx/PendulumGoal/random-v0")  # .../datasets/pendulum-goal-random.toml
    """
    path = Path(name_or_path)
    if path.suffix == ".toml" or path.is_file():
        return path
    recipe = find_recipe(name_or_path)
    if recipe is None:
        names = sorted({known.dataset_id for known in known_recipes().values()})
        alike = difflib.get_close_matches(name_or_path, names, n=3)
        hint = f"; did you mean {' or '.join(alike)}?" if alike else ""
        raise DatasetError(f"no recipe is known as {name_or_path!r}; `offctx list recipes` shows those that there are{hint}")
    return recipe


def _comes_with_offctx(path: Path) -> bool:
    with contextlib.suppress(DatasetError):
        return path.resolve().parent == recipes_folder().resolve()
    return False
