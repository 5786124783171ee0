"""What the tests of storage share: a small dataset, and ways to damage it."""

import json
from pathlib import Path

import h5py

import offctx
from offctx.data.checksums import metadata_checksum

ID = "test/x-v0"


def load(**options):
    return offctx.load_dataset(ID, **options)


def edit_metadata(data: Path, **changes):
    """Change keys of metadata.json, and its checksum, so that other checks are reached; None removes a key."""
    raw = json.loads((data / "metadata.json").read_text()) | changes
    raw = {key: value for key, value in raw.items() if value is not None}
    if isinstance(raw.get("offctx"), dict) and raw["offctx"].get("metadata_sha256"):
        raw["offctx"] |= {"metadata_sha256": metadata_checksum(raw, "offctx")}
    (data / "metadata.json").write_text(json.dumps(raw))


def edit_offctx(data: Path, **changes):
    raw = json.loads((data / "metadata.json").read_text())
    edit_metadata(data, offctx=raw["offctx"] | changes)


def unmark(data: Path):
    """Without the mark in the HDF5 file, the offctx part of the metadata may be missing."""
    with h5py.File(data / "main_data.hdf5", "a") as file:
        file.attrs.pop("offctx_layout", None)


def replace(data: Path, key: str, change):
    """Replace one HDF5 dataset by `change` of its value."""
    with h5py.File(data / "main_data.hdf5", "a") as file:
        value = change(file[key][()])
        del file[key]
        file.create_dataset(key, data=value)


def unlabelled(data: Path):
    """Without offctx metadata there is no checksum, so that other checks are reached."""
    edit_metadata(data, offctx=None)
    unmark(data)
