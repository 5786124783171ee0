"""The checksums of layout version 2: `sha256` over the data, as in version 1, and `metadata_sha256` over all.

The checksum of the data is `Episodes.checksum`: array after array. A writer gets all arrays of one part, then those of the
next; so `SpooledChecksum` puts them aside on the disk until the last part is there.

The checksum of all is SHA-256 over canonical JSON (sorted keys, no spaces, ASCII) of metadata.json, which holds the checksum of
the data. It leaves out what does not tell what the data are: `NOT_COVERED`.
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from offctx.data.episodes import Episodes, array_header, little_endian
from offctx.errors import DatasetError

NOT_COVERED = ("dataset_id", "dataset_size")  # a dataset that is renamed, or otherwise compressed, is the same one
METADATA_SHA256 = "metadata_sha256"
_BLOCK = 1 << 20  # bytes


class SpooledChecksum:
    """`Episodes.checksum` of episodes that come in parts, with the memory of one part.

    Args:
        folder: for the arrays, until `finish` or `close`; it does not exist yet.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kinds: dict[str, tuple[str, tuple[int, ...]]] = {}  # of each array: its type, and the shape of a row
        self._rows: dict[str, int] = {}
        folder.mkdir()

    def update(self, episodes: Episodes) -> None:
        """Adds the next episodes.

        Raises:
            DatasetError: their arrays have other names, types or shapes than those before.
            OSError: they cannot be written.
        """
        arrays = {name: little_endian(array) for name, array in episodes.arrays().items()}
        kinds = {name: (array.dtype.str, array.shape[1:]) for name, array in arrays.items()}
        if self._kinds and kinds != self._kinds:
            raise DatasetError(f"{_difference(self._kinds, kinds)}: all parts of a dataset have the same arrays")
        self._kinds = kinds
        for k, (name, array) in enumerate(arrays.items()):
            with (self._folder / str(k)).open("ab") as file:
                file.write(array.data)
            self._rows[name] = self._rows.get(name, 0) + len(array)

    def finish(self) -> str:
        """The checksum; the arrays put aside are deleted.

        Raises:
            OSError: they cannot be read.
        """
        digest = hashlib.sha256()
        for k, (name, (dtype, shape)) in enumerate(self._kinds.items()):
            digest.update(array_header(name, np.dtype(dtype), (self._rows[name], *shape)))
            with (self._folder / str(k)).open("rb") as file:
                while block := file.read(_BLOCK):
                    digest.update(block)
        self.close()
        return digest.hexdigest()

    def close(self) -> None:
        """Deletes the arrays put aside."""
        shutil.rmtree(self._folder, ignore_errors=True)


def metadata_checksum(raw: dict[str, Any], key: str) -> str:
    """The checksum of all: of metadata.json without `NOT_COVERED`, and without this checksum itself.

    Args:
        raw: metadata.json.
        key: of the offctx part, which holds the checksums.
    """
    covered = {name: value for name, value in raw.items() if name not in NOT_COVERED}
    covered[key] = {name: value for name, value in raw[key].items() if name != METADATA_SHA256}
    return hashlib.sha256(json.dumps(covered, sort_keys=True, separators=(",", ":")).encode("ascii")).hexdigest()


def _difference(before: dict[str, Any], after: dict[str, Any]) -> str:
    """The first array that differs, as a sentence."""
    for name in (*before, *after):
        if before.get(name) != after.get(name):
            return f"{name} is {_kind(after.get(name))}; it was {_kind(before.get(name))} before"
    return "the arrays have another order"


def _kind(kind: tuple[str, tuple[int, ...]] | None) -> str:
    return "missing" if kind is None else f"{np.dtype(kind[0])} with rows of shape {kind[1]}"
