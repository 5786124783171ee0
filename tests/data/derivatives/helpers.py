"""What the tests of attached derivatives share."""

from pathlib import Path

import h5py
import numpy as np

import offctx
from tests.data.storage import helpers as storage

ID, NEW = "test/x-v0", "test/new-v0"
DERIVATIVES = ("dnext_observation_dcontext", "dreward_dcontext")


def collect(dataset_id=ID, env="offctx/SimpleDirection-v0", gradients=False, **options):
    settings = {"episodes_per_context": 3, "seed": 0, "progress": False, **options}
    return offctx.collect(env, dataset_id, gradients=gradients, **settings)


def attach(dataset_id=ID, *args, **options):
    return offctx.attach_derivatives(dataset_id, *args, **{"progress": False, **options})


def file_of(root: Path, dataset_id: str = ID) -> Path:
    return root / dataset_id / "data" / "main_data.hdf5"


def contents(path: Path) -> dict[str, object]:
    """All that an HDF5 file holds: arrays with their types, attributes of every group, the order of the episodes."""
    found: dict[str, object] = {}

    def look(name, item):
        found[f"{name} attributes"] = {key: np.asarray(value).tolist() for key, value in item.attrs.items()}
        if isinstance(item, h5py.Dataset):
            found[name] = (item.dtype, item[()].tolist())

    with h5py.File(path) as file:
        file.visititems(look)
        found["episodes"] = list(file)
    return found


def visible(root: Path, tree) -> dict[str, bytes | None]:
    """What is in the datasets folder but for flat copies."""
    return {name: data for name, data in tree(root).items() if not name.startswith(".offctx-cache")}


def edit_metadata(root, dataset_id=ID, **changes):
    """Change keys of the metadata; offctx=None makes it plain Minari data."""
    storage.edit_metadata(file_of(root, dataset_id).parent, **changes)
    if changes.get("offctx", 1) is None:
        storage.unmark(file_of(root, dataset_id).parent)
