"""What there is by name: datasets, recipes, environments and algorithms, each as rows of plain values."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def datasets() -> list[Row]:
    """The datasets below MINARI_DATASETS_PATH, by what their metadata say; their arrays are not read."""
    from offctx.data.storage.ids import datasets_root

    root = datasets_root()
    rows = []
    for path in sorted(root.glob("**/data/metadata.json")):
        folder = path.parents[1].relative_to(root)
        if not any(part.startswith(".") for part in folder.parts):
            rows.append({"dataset_id": folder.as_posix()} | _size(path))
    return rows


def _size(path: Path) -> Row:
    """Transitions and episodes of a dataset, None where its metadata do not say."""
    try:
        metadata = json.loads(path.read_text(encoding="utf-8"))
        return {"transitions": int(metadata["total_steps"]), "episodes": int(metadata["total_episodes"])}
    except (OSError, ValueError, KeyError, TypeError):
        return {"transitions": None, "episodes": None}


def recipes() -> list[Row]:
    """The recipes in `datasets/`, that of the source and that of the current folder."""
    from offctx.data.recipes import read_recipe
    from offctx.errors import DatasetError

    folders = {Path(__file__).parents[2] / "datasets", Path("datasets").resolve()}
    rows = []
    for path in sorted(path for folder in folders for path in folder.glob("*.toml")):
        try:
            recipe = read_recipe(path)
        except DatasetError:
            continue  # another kind of file
        near = path.is_relative_to(Path.cwd())
        place = path.relative_to(Path.cwd()) if near else path
        rows.append({"recipe": str(place), "env": recipe.env, "dataset_id": recipe.dataset_id})
    return rows


def environments() -> list[Row]:
    """The environments that offctx registers, with their contexts."""
    from gymnasium.spaces import Discrete

    from offctx.envs.registry import ENVIRONMENTS
    from offctx.envs.resolve import resolve

    rows = []
    for row in ENVIRONMENTS:
        env = resolve(row.id).env
        actions = "discrete" if isinstance(env.action_space, Discrete) else "continuous"
        rows.append({"env": row.id, "context": ", ".join(env.context_space.names), "actions": actions, "steps": row.horizon})
    return rows


def algorithms() -> list[Row]:
    """The algorithms of `offctx train --algorithm`, d3rlpy's and ours."""
    from offctx.training.names import algorithms

    rows = []
    for name, config_class in sorted(algorithms().items()):
        actions = config_class().create(device=False).get_action_type().name.lower()
        package = "offctx" if config_class.__module__.startswith("offctx.") else "d3rlpy"
        rows.append({"algorithm": name, "actions": actions.replace("both", "continuous or discrete"), "package": package})
    return rows


KINDS: dict[str, Callable[[], list[Row]]] = {
    "datasets": datasets,
    "recipes": recipes,
    "environments": environments,
    "algorithms": algorithms,
}
