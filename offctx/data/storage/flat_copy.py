"""The flat copy of a dataset: its arrays as plain .npy files in a hidden folder, for a fast next load."""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from minari.dataset.minari_storage import METADATA_FILE_NAME

from offctx.data.episodes import Episodes
from offctx.data.storage.changes import staging
from offctx.data.storage.hdf5 import MAIN_FILE
from offctx.data.storage.ids import FLAT_COPIES, hidden_folder
from offctx.data.storage.leftovers import discard

_FORMAT = 1


class FlatCopy:
    """The flat copy of the dataset in the folder `data`. It is valid while the dataset's files are those it was made from.

    Size, modification time and inode of these files, as they were before the dataset was read, stand in stamp.json.
    """

    def __init__(self, data: Path) -> None:
        self._folder = hidden_folder(data.parent, FLAT_COPIES)
        self._sources = [data / MAIN_FILE, data / METADATA_FILE_NAME]
        self._stamp_before_reading: list[Any] | None = None  # a file replaced while it is read must not look unchanged
        with contextlib.suppress(OSError):
            self._stamp_before_reading = self._stamp()

    def load(self) -> Episodes | None:
        """Returns the episodes, mapped from the disk; None where the copy is missing, outdated or damaged."""
        try:
            stamp = json.loads((self._folder / "stamp.json").read_text())
            if stamp.pop("files") != self._stamp():
                return None
            arrays = {
                name: np.load(self._folder / f"{k}.npy", mmap_mode="r", allow_pickle=False)
                for k, name in enumerate(stamp["arrays"])
            }
            infos = {name.partition("/")[2]: arrays.pop(name) for name in list(arrays) if name.startswith("infos/")}
            return Episodes(infos=infos, **arrays)
        except (OSError, EOFError, ValueError, KeyError, AttributeError, TypeError):
            return None

    def save(self, episodes: Episodes) -> None:
        """Writes the copy. Where the disk is read-only or full, nothing is written and nothing is raised."""
        arrays = episodes.arrays()
        with contextlib.suppress(OSError):
            self._folder.parent.mkdir(exist_ok=True)
            with staging(self._folder.parent) as folder:
                flat = folder / "flat"
                flat.mkdir()
                for k, array in enumerate(arrays.values()):
                    np.save(flat / f"{k}.npy", array, allow_pickle=False)
                stamp = {"files": self._stamp_before_reading, "arrays": list(arrays)}
                (flat / "stamp.json").write_text(json.dumps(stamp))
                discard(self._folder)
                os.rename(flat, self._folder)

    def _stamp(self) -> list[Any]:
        return [_FORMAT, *([s.st_size, s.st_mtime_ns, s.st_ino] for s in (path.stat() for path in self._sources))]
