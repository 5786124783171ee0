"""Chunks of a collection that are finished, each in a file of its own, so that an interrupted collection can go on.

The folder of the files is named after what was asked, so that another call does not use them. A file appears under its name
when it is complete, and the zip format has a checksum of each array: what a crash of the machine damaged is noticed, and done
again. So nothing waits for the disk.
"""

import os
import socket
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from offctx.data.episodes import Episodes
from offctx.data.storage.ids import UNFINISHED_COLLECTIONS, dataset_folder, hidden_folder
from offctx.data.storage.leftovers import discard, make_folder
from offctx.envs.base import Array
from offctx.errors import DatasetError
from offctx.files import replaced_on_success

_DAMAGE = (  # what a damaged file raises; RuntimeError: a bit says that it is encrypted, or compressed in an unknown way
    OSError, EOFError, ValueError, TypeError, KeyError, RuntimeError, OverflowError, MemoryError, zipfile.BadZipFile,
    zlib.error,
)  # fmt: skip


class SavedChunks:
    """The finished chunks of one collection. Whoever uses them holds the lock of the dataset's id.

    Args:
        dataset_id: of the dataset that is collected.
        key: a name for what was asked, a valid file name.
        lasting: whether the same call finds the chunks again; else they are of no use to another process.
    """

    def __init__(self, dataset_id: str, key: str, *, lasting: bool) -> None:
        self.lasting = lasting
        self._entry = hidden_folder(dataset_folder(dataset_id), UNFINISHED_COLLECTIONS)
        self.folder = self._entry / key

    def make(self) -> None:
        """Makes the folder, and removes what a killed process had half written in it.

        Raises:
            DatasetError: it cannot be made.
        """
        try:
            make_folder(self.folder)
            for path in self.folder.glob(".*.tmp"):
                path.unlink(missing_ok=True)
        except OSError as error:
            raise DatasetError(f"cannot write to {self.folder}: {error}") from error

    def finished(self, chunks: int) -> set[int]:
        """Which of the chunks 0 to `chunks` - 1 have a file."""
        return {k for k in range(chunks) if chunk_file(self.folder, k).is_file()}

    def load(self, number: int) -> Episodes | None:
        """The episodes of a chunk; None where its file is missing or damaged."""
        try:
            with np.load(chunk_file(self.folder, number), allow_pickle=False) as file:
                named = {name: file[name] for name in file.files}
            infos = {name.partition("/")[2]: named.pop(name) for name in list(named) if name.startswith("infos/")}
            return Episodes(infos=infos, **named)
        except _DAMAGE:
            return None

    def array(self, name: str, chunks: int) -> Iterator[Array]:
        """An array of all chunks by its name, chunk after chunk.

        Args:
            name: as in `Episodes.arrays`.
            chunks: how many there are, 0 to `chunks` - 1.

        Raises:
            DatasetError: a file is missing or damaged.
        """
        for number in range(chunks):
            path = chunk_file(self.folder, number)
            try:
                with np.load(path, allow_pickle=False) as file:
                    array = file[name]
            except _DAMAGE as error:
                raise DatasetError(f"{path} was damaged or deleted after it was read: {error}") from error
            yield array

    def discard(self) -> None:
        """Deletes the chunks of all collections of the dataset."""
        discard(self._entry)


def save_chunk(folder: Path, number: int, episodes: Episodes) -> None:
    """Writes the file of a chunk.

    Args:
        folder: of `SavedChunks`, which exists.
        number: of the chunk.
        episodes: its content.

    Raises:
        DatasetError: it cannot be written.
    """
    path = chunk_file(folder, number)
    try:
        with replaced_on_success(path) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **episodes.arrays())
    except OSError as error:
        hint = ""
        if not os.path.isdir(folder):
            hint = " (every worker needs the folder of datasets, MINARI_DATASETS_PATH, on a disk that all machines share)"
        raise DatasetError(f"{socket.gethostname()} cannot write {path}: {error}{hint}") from error


def chunk_file(folder: Path, number: int) -> Path:
    """Returns the file of a chunk."""
    return folder / f"{number}.npz"
