"""The checksums of layout version 2: `sha256` over the data, as in version 1, and `metadata_sha256` over all.

The checksum of the data is `Episodes.checksum`: array after array. A writer gets all arrays of one part, then those of the
next. So they are read a second time when the last part is there: `PartsChecksum` asks whoever made the parts for them, and
`SpooledChecksum` puts them aside on the disk until then.

The checksum of all is SHA-256 over canonical JSON (sorted keys, no spaces, ASCII) of metadata.json, which holds the checksum of
the data. It leaves out what does not tell what the data are: `NOT_COVERED`.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from offctx.data.episodes import Episodes, array_header, little_endian
from offctx.envs.base import Array
from offctx.errors import DatasetError

NOT_COVERED = ("dataset_id", "dataset_size")  # a dataset that is renamed, or otherwise compressed, is the same one
METADATA_SHA256 = "metadata_sha256"
_BLOCK = 1 << 20  # bytes


Again = Callable[[str], Iterable[Array]]  # from the name of an array to its rows in all parts, part after part


class PartsChecksum:
    """`Episodes.checksum` of episodes that come in parts, and whose arrays can be read again.

    Args:
        again: gives an array once more, when the last part is there.
    """

    def __init__(self, again: Again) -> None:
        self._again = again
        self._kinds: dict[str, tuple[str, tuple[int, ...]]] = {}  # of each array: its type, and the shape of a row
        self._rows: dict[str, int] = {}

    def update(self, episodes: Episodes) -> None:
        """Counts the rows of the next episodes.

        Raises:
            DatasetError: their arrays have other names, types or shapes than those before.
        """
        arrays = {name: little_endian(array) for name, array in episodes.arrays().items()}
        kinds = {name: (array.dtype.str, array.shape[1:]) for name, array in arrays.items()}
        if self._kinds and kinds != self._kinds:
            raise DatasetError(f"{_difference(self._kinds, kinds)}: all parts of a dataset have the same arrays")
        self._kinds = kinds
        for name, array in arrays.items():
            self._rows[name] = self._rows.get(name, 0) + len(array)

    def finish(self) -> str:
        """The checksum; raises what reading the arrays again raises."""
        digest = hashlib.sha256()
        for name, (dtype, shape) in self._kinds.items():
            digest.update(array_header(name, np.dtype(dtype), (self._rows[name], *shape)))
            for array in self._again(name):
                digest.update(little_endian(array).data)
        return digest.hexdigest()

    def close(self) -> None:
        """Nothing was put aside."""


class SpooledChecksum:
    """`Episodes.checksum` of episodes that come in parts, with the memory of one part.

    Args:
        folder: for the arrays, until `finish` or `close`; it does not exist yet.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._names = folder, list[str]()
        self._parts = PartsChecksum(self._blocks)
        folder.mkdir()

    def update(self, episodes: Episodes) -> None:
        """Adds the next episodes.

        Raises:
            DatasetError: their arrays have other names, types or shapes than those before.
            OSError: they cannot be written.
        """
        self._parts.update(episodes)
        arrays = episodes.arrays()
        self._names = list(arrays)
        for name, array in arrays.items():
            with self._file(name).open("ab") as file:
                file.write(little_endian(array).data)

    def finish(self) -> str:
        """The checksum; the arrays put aside are deleted.

        Raises:
            OSError: they cannot be read.
        """
        checksum = self._parts.finish()
        self.close()
        return checksum

    def close(self) -> None:
        """Deletes the arrays put aside."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _file(self, name: str) -> Path:
        return self._folder / str(self._names.index(name))

    def _blocks(self, name: str) -> Iterator[Array]:
        with self._file(name).open("rb") as file:
            while block := file.read(_BLOCK):
                yield np.frombuffer(block, dtype=np.uint8)


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
