"""What there is by name: datasets, recipes, environments and algorithms, each as rows of plain values."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from offctx.cli.algorithms import ALGORITHMS
from offctx.errors import EnvError

if TYPE_CHECKING:
    from offctx.envs.registry import RegistryRow

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
    from offctx.data.storage.limits import METADATA_BYTES
    from offctx.data.storage.own_files import read_regular_file

    try:
        metadata = json.loads(read_regular_file(path, METADATA_BYTES))
        return {"transitions": int(metadata["total_steps"]), "episodes": int(metadata["total_episodes"])}
    except (OSError, ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return {"transitions": None, "episodes": None}


def recipes() -> list[Row]:
    """The recipes that come with offctx, and those in `datasets/` of the current folder."""
    from offctx.data.known.names import known_recipes

    return [
        {"dataset_id": recipe.dataset_id, "env": recipe.env, "recipe": str(path)} for path, recipe in known_recipes().items()
    ]


def environments() -> list[Row]:
    """The environments that offctx registers, with their contexts; those whose extra is not installed say so."""
    from offctx.envs.registry import ENVIRONMENTS

    return [_environment(row) for row in ENVIRONMENTS]


def _environment(row: "RegistryRow") -> Row:
    """A row of the registry, with what is known of its environment. None is made, so that the list is quick."""
    from offctx.envs.summaries import EnvSummary

    summary = EnvSummary.of(row.id)
    actions = summary.actions if _is_installed(row) else f"needs offctx[{row.extra}]"
    return {"env": row.id, "context": ", ".join(summary.space.names), "actions": actions, "steps": row.horizon}


def _is_installed(row: "RegistryRow") -> bool:
    """Whether what the environment needs beside offctx itself is there."""
    from offctx.envs.dm_control.location import suite_folder

    if row.extra == "dm-control":
        with contextlib.suppress(EnvError):
            return suite_folder(row.name).is_dir()
    return not row.extra


def algorithms() -> list[Row]:
    """The algorithms of `offctx train --algorithm`, d3rlpy's and ours."""
    return [{"algorithm": name, "actions": row.actions, "package": row.package} for name, row in sorted(ALGORITHMS.items())]


KINDS: dict[str, Callable[[], list[Row]]] = {
    "datasets": datasets,
    "recipes": recipes,
    "environments": environments,
    "algorithms": algorithms,
}
