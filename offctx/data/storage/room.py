"""Whether a disk has room, asked before something is written."""

import errno
import os
import shutil
from pathlib import Path

from offctx.errors import DatasetError


def check_room(folder: Path, size: int) -> None:
    """Raises DatasetError where the disk of `folder` has fewer than `size` free bytes."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return  # a file system that cannot tell; writing then finds out
    if free < size:
        raise DatasetError(
            f"the disk is too full: {size / 1e6:.1f} MB are to be written, and {free / 1e6:.1f} MB are free at {folder}"
        ) from OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
