"""The flat copy of a dataset: its arrays as plain .npy files in a hidden folder, for a fast next load."""

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from minari.dataset.minari_storage import METADATA_FILE_NAME

from offctx.data.episodes import Episodes
from offctx.data.storage.blocks import CheckedArray, Damaged, block_checksums
from offctx.data.storage.changes import staging
from offctx.data.storage.hdf5 import MAIN_FILE
from offctx.data.storage.ids import FLAT_COPIES, hidden_folder
from offctx.data.storage.leftovers import discard
from offctx.data.storage.limits import METADATA_BYTES
from offctx.data.storage.own_files import read_regular_file

_FORMAT = 2
_STAMP = "stamp.json"
_STAMP_BYTES = 1 << 28  # 20 bytes for each MiB of the arrays


class FlatCopy:
    """The flat copy of the dataset in the folder `data`. It is valid while the dataset's files are those it was made from.

    The stamp says which files these were: size, modification time and inode of each, as they were before the dataset was read,
    and the SHA-256 of metadata.json. It has the size of each array's file and the checksums of its blocks, and a checksum of
    itself. So a damaged copy is noticed, and the next load makes it again.
    """

    def __init__(self, data: Path) -> None:
        self._folder = hidden_folder(data.parent, FLAT_COPIES)
        self._sources = [data / MAIN_FILE, data / METADATA_FILE_NAME]
        self._files_before_reading: list[Any] | None = None  # a file replaced while it is read must not look unchanged
        with contextlib.suppress(OSError):
            self._files_before_reading = self._files()

    def load(self) -> Episodes | None:
        """Returns the episodes, mapped from the disk and checked; None where the copy is missing, outdated or damaged."""
        arrays = self.arrays()
        if arrays is None:
            return None
        try:
            for array in arrays.values():
                array.check()
        except (OSError, Damaged):
            return None
        named = {name: array.array for name, array in arrays.items()}
        infos = {name.partition("/")[2]: named.pop(name) for name in list(named) if name.startswith("infos/")}
        return Episodes(infos=infos, **named)

    def arrays(self) -> dict[str, CheckedArray] | None:
        """Returns the arrays by their names in `Episodes.arrays`, to check and read some rows of; None as `load` does."""
        try:
            stamp = json.loads(read_regular_file(self._folder / _STAMP, _STAMP_BYTES))
            checksum = stamp.pop("checksum")
            if checksum != _checksum(stamp) or stamp["files"] != self._files():
                return None
            return {
                array["name"]: CheckedArray(self._folder / f"{k}.npy", array["size"], array["blocks"])
                for k, array in enumerate(stamp["arrays"])
            }
        except (OSError, Damaged, ValueError, KeyError, AttributeError, TypeError, RecursionError):
            return None

    def save(self, episodes: Episodes) -> None:
        """Writes the copy. Where the disk is read-only or full, nothing is written and nothing is raised."""
        arrays = episodes.arrays()
        with contextlib.suppress(OSError):
            self._folder.parent.mkdir(exist_ok=True)
            with staging(self._folder.parent) as folder:
                flat = folder / "flat"
                flat.mkdir()
                described = []
                for k, (name, array) in enumerate(arrays.items()):
                    path = flat / f"{k}.npy"
                    np.save(path, array, allow_pickle=False)
                    described.append({"name": name, "size": path.stat().st_size, "blocks": block_checksums(path)})
                stamp = {"files": self._files_before_reading, "arrays": described}
                (flat / _STAMP).write_text(json.dumps(stamp | {"checksum": _checksum(stamp)}))
                discard(self._folder)
                os.rename(flat, self._folder)

    def _files(self) -> list[Any]:
        metadata = read_regular_file(self._sources[1], METADATA_BYTES)
        status = [path.stat() for path in self._sources]
        return [_FORMAT, hashlib.sha256(metadata).hexdigest(), *([s.st_size, s.st_mtime_ns, s.st_ino] for s in status)]


def _checksum(stamp: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(stamp, sort_keys=True).encode()).hexdigest()
