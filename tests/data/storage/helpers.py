"""What the tests of storage share: a small dataset, and ways to damage it."""

import json
from pathlib import Path

import h5py

import offctx

ID = "test/x-v0"


def load(**options):
    return offctx.load_dataset(ID, **options)


def edit_metadata(data: Path, **changes):
    """Change keys of metadata.json; None removes one."""
    raw = json.loads((data / "metadata.json").read_text()) | changes
    (data / "metadata.json").write_text(json.dumps({key: value for key, value in raw.items() if value is not None}))


def edit_offctx(data: Path, **changes):
    raw = json.loads((data / "metadata.json").read_text())
    edit_metadata(data, offctx=raw["offctx"] | changes)


def replace(data: Path, key: str, change):
    """Replace one HDF5 dataset by `change` of its value."""
    with h5py.File(data / "main_data.hdf5", "a") as file:
        value = change(file[key][()])
        del file[key]
        file.create_dataset(key, data=value)


def unlabelled(data: Path):
    """Without offctx metadata there is no checksum, so that other checks are reached."""
    edit_metadata(data, offctx=None)
