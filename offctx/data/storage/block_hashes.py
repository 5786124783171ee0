"""Files cut into blocks, each with its SHA-256.

Dimensions: B blocks of a file. The last block may be shorter than the others.
"""

import contextlib
import hashlib
import io
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from offctx.workers.cores import system_cores

LEAST_BLOCK = 4 * 1024  # bytes
MOST_BLOCK = 4 * 1024 * 1024
_BLOCKS = 2048  # about as many blocks has a file, so that neither blocks nor their list are large
_PIECE = 16 * 1024 * 1024  # bytes that a thread hashes in one go


def block_size_of(size: int) -> int:
    """Returns the size of a block [bytes] in a file of `size` bytes: a power of two, part of version 1 of manifests."""
    block = LEAST_BLOCK
    while block < MOST_BLOCK and block * _BLOCKS < size:
        block *= 2
    return block


def block_count(size: int) -> int:
    """Returns B for a file of `size` bytes."""
    return -(-size // block_size_of(size))


def hash_of_blocks(blocks: Sequence[str]) -> str:
    """Returns the hash of a file: SHA-256 over the digests of its blocks end to end."""
    return hashlib.sha256(bytes.fromhex("".join(blocks))).hexdigest()


def hash_of_file(path: Path, size: int) -> str:
    """Returns `hash_of_blocks` of a file of `size` bytes; raises as `hash_blocks` does."""
    return hash_of_blocks(hash_blocks(path, size))


def workers_for(work: int) -> int:
    """Returns how many threads hash `work` pieces: at most one a processor, as hashing is all that they do."""
    return max(1, min(system_cores(), work))


def hash_blocks(
    path: Path, size: int, *, done: Callable[[int], object] = lambda count: None, copy: Path | None = None
) -> list[str]:
    """Hashes the blocks of a file, in threads: hashlib works without Python's global lock.

    Args:
        path: the file.
        size: its bytes; what lies beyond is not read.
        done: called with numbers of bytes as they are hashed, from any thread.
        copy: where a copy of the bytes that are hashed is written; None for no copy.

    Returns:
        The SHA-256 of each block in hex (B,); of a file that is shorter than `size`, hashes of what is there.

    Raises:
        OSError: the file cannot be read, or the copy cannot be written.
    """
    block = block_size_of(size)
    piece = max(block, _PIECE // block * block)
    begins = range(0, size, piece)
    buffers = threading.local()
    if copy is not None:
        with copy.open("wb") as whole:
            whole.truncate(size)

    def hash_piece(begin: int) -> list[str]:
        if not hasattr(buffers, "view"):
            buffers.view = memoryview(bytearray(block))
        hashes = []
        with path.open("rb", buffering=0) as file, _opened(copy) as out:
            file.seek(begin)
            if out is not None:
                out.seek(begin)
            for start in range(begin, min(begin + piece, size), block):
                view = buffers.view[: min(block, size - start)]
                count = read_fully(file.readinto, view)
                hashes.append(hashlib.sha256(view[:count]).hexdigest())
                if out is not None:
                    write_fully(out.write, view[:count])
        done(min(piece, size - begin))
        return hashes

    with ThreadPoolExecutor(workers_for(len(begins))) as pool:
        return [digest for hashes in pool.map(hash_piece, begins) for digest in hashes]


def read_fully(readinto: Callable[[memoryview], int | None], view: memoryview) -> int:
    """Fills a buffer by as many reads as it takes; returns the number of bytes, fewer at the end of the file."""
    count = 0
    while count < len(view) and (read := readinto(view[count:])):
        count += read
    return count


def write_fully(write: Callable[[memoryview], int | None], view: memoryview) -> None:
    """Writes a buffer by as many writes as it takes."""
    written = 0
    while written < len(view):
        written += write(view[written:]) or 0


def _opened(copy: Path | None) -> contextlib.AbstractContextManager[io.FileIO | None]:
    return contextlib.nullcontext() if copy is None else copy.open("rb+", buffering=0)
