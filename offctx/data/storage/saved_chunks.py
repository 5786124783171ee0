"""Chunks of a collection that are finished, each in a file of its own, so that an interrupted collection can go on.

The folder of the files is named after what was asked, so that another call does not use them. A file appears under its name
when it is complete, and has checksums: what a crash of the machine damaged is noticed, and done again. So nothing waits for the
disk.
"""

import socket
from collections.abc import Iterator
from pathlib import Path

from offctx.data.episodes import Episodes
from offctx.data.storage.ids import UNFINISHED_COLLECTIONS, dataset_folder, hidden_folder
from offctx.data.storage.leftovers import discard
from offctx.data.storage.sealed_file import read_sealed, write_sealed
from offctx.envs.base import Array
from offctx.errors import DatasetError
from offctx.files import make_folder


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
        named = read_sealed(chunk_file(self.folder, number), _name(self.folder, number))
        if named is None:
            return None
        infos = {name.partition("/")[2]: named.pop(name) for name in list(named) if name.startswith("infos/")}
        return Episodes(infos=infos, **named)

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
            arrays = read_sealed(path, _name(self.folder, number), only=[name])
            if not arrays:
                raise DatasetError(f"{path} was damaged or deleted after it was read")
            yield arrays[name]

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
        write_sealed(path, _name(folder, number), episodes.arrays())
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> DatasetError:
    """The error for a file that a worker cannot write, perhaps on another machine."""
    hint = ""
    if not path.parent.is_dir():
        hint = " (every worker needs the folder of datasets, MINARI_DATASETS_PATH, on a disk that all machines share)"
    return DatasetError(f"{socket.gethostname()} cannot write {path}: {error}{hint}")


def chunk_file(folder: Path, number: int) -> Path:
    """Returns the file of a chunk."""
    return folder / f"{number}.chunk"


def _name(folder: Path, number: int) -> str:
    """What the checksum of a chunk is of: a chunk in the place of another, or of another collection, is none."""
    return f"{folder.name}/{number}"
