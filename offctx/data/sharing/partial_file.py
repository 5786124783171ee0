"""A file that is read as if it were there, and fetches what is read: HDF5 finds its way through it without all of it."""

import io
import os
from pathlib import Path

from offctx.data.sharing.fetch import FileFetch


class PartialFile(io.RawIOBase):
    """The file object that h5py reads from.

    Attributes:
        error: what went wrong while fetching; HDF5 has no place for it.
    """

    def __init__(self, path: Path, fetch: FileFetch) -> None:
        super().__init__()
        self.error: BaseException | None = None
        self._fetch, self._size, self._position = fetch, fetch.file.size, 0
        self._file = path.open("rb", buffering=0)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
        super().close()

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As files do."""
        self._position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        return self._position

    def tell(self) -> int:
        """The position."""
        return self._position

    def readinto(self, buffer: object) -> int:
        """Reads from the position; fetches the blocks that are not there yet."""
        view = memoryview(buffer).cast("B")[: max(self._size - self._position, 0)]  # type: ignore[arg-type]
        if not view:
            return 0
        try:
            self._fetch.fetch(self._fetch.blocks_of(self._position, self._position + len(view)))
        except BaseException as error:
            self.error = error
            raise
        self._file.seek(self._position)
        count = self._file.readinto(view)
        self._position += count
        return count
