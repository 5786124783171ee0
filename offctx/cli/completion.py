"""What a shell completes where a value is expected. Light: the shell waits for it, so neither torch nor d3rlpy is imported."""

import glob

from offctx.cli.algorithms import ALGORITHMS


def algorithm_names(incomplete: str) -> list[str]:
    """The algorithms of `offctx train --algorithm`."""
    return [name for name in sorted(ALGORITHMS) if name.startswith(incomplete.lower())]


def recipe_files(incomplete: str) -> list[str]:
    """The recipes that `offctx list recipes` lists, and TOML files up to one folder below what is typed."""
    from offctx.data.known.names import recipe_paths

    start = glob.escape(incomplete)
    near = {*glob.glob(f"{start}*.toml"), *glob.glob(f"{start}*/*.toml")}
    return sorted(near | {path for path in map(str, recipe_paths()) if path.startswith(incomplete)})


def recipe_names_and_files(incomplete: str) -> list[str]:
    """The names of known recipes, and the files of `recipe_files`."""
    return [*_recipe_names(incomplete), *recipe_files(incomplete)]


def dataset_and_recipe_names(incomplete: str) -> list[str]:
    """The ids of the datasets that are there, and the names of known recipes."""
    return sorted({*dataset_ids(incomplete), *_recipe_names(incomplete)})


def _recipe_names(incomplete: str) -> list[str]:
    from offctx.data.known.names import known_recipes

    names = {recipe.dataset_id for recipe in known_recipes().values()}
    return sorted(name for name in names if name.startswith(incomplete))


def dataset_ids(incomplete: str) -> list[str]:
    """The ids of the datasets that are there."""
    from offctx.cli.catalogue import datasets

    return [row["dataset_id"] for row in datasets() if row["dataset_id"].startswith(incomplete)]


def environment_ids(incomplete: str) -> list[str]:
    """The ids of the environments that offctx registers."""
    from offctx.envs.registry import ENVIRONMENTS

    return [row.id for row in ENVIRONMENTS if row.id.startswith(incomplete)]


def context_modes(incomplete: str) -> list[str]:
    """How an agent may observe the context."""
    return [mode for mode in ("append", "hidden") if mode.startswith(incomplete)]


def backends(incomplete: str) -> list[str]:
    """Who may do the work."""
    return [backend for backend in ("loky", "ray") if backend.startswith(incomplete)]


def kinds(incomplete: str) -> list[str]:
    """What `offctx list` lists."""
    from offctx.cli.catalogue import KINDS

    return [kind for kind in KINDS if kind.startswith(incomplete)]
