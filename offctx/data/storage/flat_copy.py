"""The flat copy of a dataset: its transitions as plain .npy files in a hidden folder, for a fast next load of any part."""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from minari.dataset.minari_storage import METADATA_FILE_NAME

from offctx.data.layout import CONTEXT
from offctx.data.storage.blocks import CheckedArray, Damaged, block_checksums
from offctx.data.storage.changes import staging
from offctx.data.storage.hdf5 import MAIN_FILE
from offctx.data.storage.ids import FLAT_COPIES, hidden_folder
from offctx.data.storage.leftovers import discard
from offctx.data.storage.limits import METADATA_BYTES
from offctx.data.storage.own_files import read_regular_file
from offctx.data.storage.scratch import on_disk
from offctx.data.transitions import LENGTHS, Transitions, row_bytes, rows_of, run_of, take_rows
from offctx.envs.base import Array
from offctx.files import make_folder

_FORMAT = 3
_STAMP = "stamp.json"
_STEPS, _EPISODES = "steps/", "episodes/"
_STAMP_BYTES = 1 << 28  # 20 bytes for each MiB of the arrays
_ATTEMPTS = 10  # to take the place of a copy that others make at the same time


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

    def open(self) -> "FlatTransitions | None":
        """Returns the transitions, to be read; None where the copy is missing, outdated or seen to be damaged."""
        try:
            stamp = json.loads(read_regular_file(self._folder / _STAMP, _STAMP_BYTES))
            checksum = stamp.pop("checksum")
            if checksum != _checksum(stamp) or stamp["files"] != self._files():
                return None
            arrays = {
                array["name"]: CheckedArray(self._folder / f"{k}.npy", array["size"], array["blocks"])
                for k, array in enumerate(stamp["arrays"])
            }
            return FlatTransitions(arrays)
        except (OSError, Damaged, ValueError, KeyError, AttributeError, TypeError, RecursionError):
            return None

    def save(self, transitions: Transitions) -> None:
        """Writes the copy. Where the disk is read-only or full, nothing is written and nothing is raised."""
        with contextlib.suppress(OSError), self.replacing() as flat:
            for k, array in enumerate(named(transitions).values()):
                np.save(flat / f"{k}.npy", array, allow_pickle=False)
            self.seal(flat, list(named(transitions)))

    @contextlib.contextmanager
    def replacing(self) -> Iterator[Path]:
        """Gives an empty folder to make the copy in; `seal` puts it in its place. Raises OSError where it cannot be made."""
        make_folder(self._folder.parent)
        with staging(self._folder.parent) as folder:
            flat = folder / "flat"
            flat.mkdir()
            yield flat

    def seal(self, flat: Path, names: list[str]) -> None:
        """Stamps the arrays, one file "<k>.npy" for each name, and puts them in the place of the copy."""
        paths = [flat / f"{k}.npy" for k in range(len(names))]
        described = [
            {"name": name, "size": path.stat().st_size, "blocks": block_checksums(path)}
            for name, path in zip(names, paths, strict=True)
        ]
        stamp = {"files": self._files_before_reading, "arrays": described}
        (flat / _STAMP).write_text(json.dumps(stamp | {"checksum": _checksum(stamp)}))
        for attempt in range(_ATTEMPTS):
            discard(self._folder)
            try:
                return os.rename(flat, self._folder)
            except OSError:  # another process has put its own copy there in between
                if attempt == _ATTEMPTS - 1:
                    raise
        return None

    def _files(self) -> list[Any]:
        metadata = read_regular_file(self._sources[1], METADATA_BYTES)
        status = [path.stat() for path in self._sources]
        return [_FORMAT, hashlib.sha256(metadata).hexdigest(), *([s.st_size, s.st_mtime_ns, s.st_ino] for s in status)]


class FlatTransitions:
    """The transitions in a flat copy, of which some or all are read. What is read is checked first.

    Args:
        arrays: by their names in `named`.

    Attributes:
        lengths: steps of each episode (E,).
        step_bytes: what the arrays of one transition take.

    Raises:
        Damaged: the lengths of the episodes are.
        KeyError: an array is missing.
    """

    def __init__(self, arrays: dict[str, CheckedArray]) -> None:
        self._arrays = arrays
        self.lengths = self._whole(f"{_EPISODES}{LENGTHS}")
        self._ends = np.cumsum(self.lengths)
        self.step_bytes = sum(row_bytes(array.array) for name, array in arrays.items() if name.startswith(_STEPS))

    def contexts(self) -> Array | None:
        """The context of each episode as recorded (E, p), or None; raises Damaged."""
        recorded = [f"{_EPISODES}rest/{CONTEXT}", f"{_EPISODES}options_context"]
        return next((self._whole(name).astype(np.float64) for name in recorded if name in self._arrays), None)

    def read(self, numbers: Array | None = None, *, mapped: bool = False) -> Transitions:
        """Returns all transitions, or those of some episodes.

        Args:
            numbers: of the episodes, ascending; None for all.
            mapped: map the arrays of transitions from the disk, in place of reading them into memory. Of episodes that are not
                successive, they are copied into files without a name.

        Raises:
            Damaged: some of what is read is not what was written.
        """
        chosen = np.arange(len(self.lengths)) if numbers is None else numbers
        rows, run = rows_of(self._ends, self.lengths, chosen), run_of(chosen)
        steps = self._ends[chosen] - self.lengths[chosen], self._ends[chosen]
        by_step, by_episode = {}, {}
        for name, array in self._arrays.items():
            if name.startswith(_STEPS):
                array.check_ranges(*steps)
                by_step[name.removeprefix(_STEPS)] = self._rows(array.array, chosen, rows, mapped)
                array.release()
            else:
                array.check_ranges(chosen, chosen + 1)
                by_episode[name.removeprefix(_EPISODES)] = np.array(array.array[chosen if run is None else run])
        return Transitions(by_step, by_episode)

    def _rows(self, array: Array, numbers: Array, rows: Any, mapped: bool) -> Array:
        if isinstance(rows, slice):
            return array[rows] if mapped else np.array(array[rows])
        return take_rows(array, self._ends, self.lengths, numbers, on_disk) if mapped else array[rows]

    def _whole(self, name: str) -> Array:
        array = self._arrays[name]
        array.check()
        return np.array(array.array)


def named(transitions: Transitions) -> dict[str, Array]:
    """The arrays of transitions by their names in a flat copy, in a fixed order."""
    by_step = {f"{_STEPS}{name}": array for name, array in transitions.by_step.items()}
    return by_step | {f"{_EPISODES}{name}": array for name, array in transitions.by_episode.items()}


def from_named(arrays: dict[str, Array]) -> Transitions:
    """The transitions of which `named` has given the arrays."""
    by_step, by_episode = (
        {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
        for prefix in (_STEPS, _EPISODES)
    )
    return Transitions(by_step, by_episode)


def _checksum(stamp: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(stamp, sort_keys=True).encode()).hexdigest()
