"""The files that a push sends. What is sent is what was hashed: each block is compared with the manifest on its way."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from offctx.data.sharing.manifest import SharedFile
from offctx.data.storage.block_hashes import hash_blocks, read_fully
from offctx.errors import DatasetError


@dataclass(frozen=True)
class Source:
    """A file of a dataset on this disk, which another process may replace at any moment.

    Attributes:
        path: where it is.
        file: what it must hold.
        copied: a copy that was made while the file was hashed, and may be taken away; None where there is none.
    """

    path: Path
    file: SharedFile
    copied: Path | None = None

    def blocks(self) -> Iterator[memoryview]:
        """Gives the blocks, each of them verified. A block is valid until the next one is asked for.

        Raises:
            DatasetError: the file holds other bytes, or cannot be read.
        """
        buffer = memoryview(bytearray(self.file.block_size))
        try:
            with self.path.open("rb", buffering=0) as file:
                for block, begin in enumerate(range(0, self.file.size, self.file.block_size)):
                    view = buffer[: min(self.file.block_size, self.file.size - begin)]
                    count = read_fully(file.readinto, view)
                    if hashlib.sha256(view[:count]).hexdigest() != self.file.blocks[block]:
                        raise self._changed()
                    yield view
        except OSError as error:
            raise self._changed(f" ({error})") from error

    def read(self) -> bytes:
        """Reads all of it; raises as `blocks` does."""
        return b"".join(bytes(block) for block in self.blocks())

    def sha256(self) -> str:
        """Returns SHA-256 of the bytes end to end, not of the digests of blocks; raises as `blocks` does."""
        digest = hashlib.sha256()
        for block in self.blocks():
            digest.update(block)
        return digest.hexdigest()

    def copy(self, target: Path) -> None:
        """Writes a verified copy.

        Raises:
            DatasetError: the file holds other bytes, or is away; so does the copy then.
            OSError: it cannot be read, or the copy cannot be written.
        """
        try:
            hashes = hash_blocks(self.path, self.file.size, copy=target)
        except FileNotFoundError as error:
            raise self._changed(f" ({error})") from error
        if hashes != self.file.blocks:
            raise self._changed()

    def _changed(self, how: str = "") -> DatasetError:
        return DatasetError(f"{self.path} changed while it was read{how}: push again")
