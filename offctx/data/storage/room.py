"""Whether a disk has room, asked before something is written."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from offctx.errors import DatasetError


def check_room(folder: Path, size: int, message: Callable[[int], str] | None = None) -> None:
    """Checks that the disk of a folder has room.

    Args:
        folder: which exists.
        size: bytes that are to be written.
        message: of the error, from the free bytes.

    Raises:
        DatasetError: fewer than `size` bytes are free.
    """
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return  # a file system that cannot tell; writing then finds out
    if free < size:
        usual = f"the disk is too full: {size / 1e6:.1f} MB are to be written, and {free / 1e6:.1f} MB are free at {folder}"
        raise DatasetError(usual if message is None else message(free)) from OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
