"""How much memory the arrays of a dataset may take: a small file must not declare more than the machine can hold."""

import os
from pathlib import Path

from offctx.checks import number_in, whole_number
from offctx.errors import DatasetError
from offctx.words import bytes_text

MAX_BYTES = "OFFCTX_MAX_BYTES"  # an environment variable

_ALWAYS = 256 * 2**20  # bytes that every dataset may take
_RATIO = 200  # and so many times the size of its files; compressed arrays of real data take 1 to 20 times
METADATA_BYTES = 64 * 2**20


class Budget:
    """The bytes that arrays may still take.

    Args:
        max_bytes: in all; where None, the environment variable OFFCTX_MAX_BYTES; where that is not set, 200 times the size of
            the files (at least 256 MiB), but at most half of the machine's memory.
        stored: the size of the dataset's files in bytes.
        in_memory: whether the arrays go into memory; otherwise the machine's memory does not count.

    Raises:
        DatasetError: the limit is no positive whole number.
    """

    def __init__(self, max_bytes: int | None, stored: int, *, in_memory: bool = True) -> None:
        limit = _limit_that_is_set(max_bytes)
        if limit is None:
            limit = max(_ALWAYS, _RATIO * stored)
            limit = min(limit, machine_memory() // 2) if in_memory else limit
        self.limit = limit
        self._used = 0

    def take(self, size: int, what: str) -> None:
        """Counts an array. Raises DatasetError where all arrays together are beyond the limit."""
        self._used += size
        if self._used > self.limit:
            raise _too_large(f"{what} and what was read before it take", self._used, self.limit)


def check_limit(size: int, max_bytes: int | None, dataset_id: str) -> None:
    """Checks the arrays of a flat copy, whose size is known before they are read. It was made within the limit of that call.

    Args:
        size: of the arrays in bytes.
        max_bytes: what they may take; where None, the environment variable OFFCTX_MAX_BYTES; where that is not set, any size.
        dataset_id: for messages.

    Raises:
        DatasetError: they take more, or the limit is no positive whole number.
    """
    limit = _limit_that_is_set(max_bytes)
    if limit is not None and size > limit:
        raise _too_large(f"the arrays of {dataset_id} take", size, limit)


def size_of(folder: Path) -> int:
    """Returns the bytes of all files in a folder, at any depth; DatasetError where it cannot be read, or changes meanwhile."""
    try:
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    except OSError as error:
        raise DatasetError(f"the files in {folder} cannot be read: {error}") from error


def machine_memory() -> int:
    """The machine's memory in bytes, or that of the control group of this process where it is less."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        memory = 16 * 2**30  # Windows
    try:
        return min(memory, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):
        return memory


def _limit_that_is_set(max_bytes: int | None) -> int | None:
    """The limit that the caller sets, or else the environment variable; None where neither does."""
    setting = os.environ.get(MAX_BYTES) if max_bytes is None else None
    if setting:
        number = number_in(setting)
        max_bytes = whole_number(setting[:100] if number is None else number, MAX_BYTES, 1, DatasetError)
    return None if max_bytes is None else whole_number(max_bytes, "max_bytes", 1, DatasetError)


def _too_large(what: str, size: int, limit: int) -> DatasetError:
    return DatasetError(
        f"{what} {bytes_text(size)}, more than the limit of {bytes_text(limit)}: raise it with max_bytes= or the environment "
        f"variable {MAX_BYTES}"
    )
