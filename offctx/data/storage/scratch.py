"""Arrays in files that nobody else sees, for what does not fit into memory: the system keeps of them what there is room for.

The files have no name, so that they are gone with the process, also after kill -9.
"""

import contextlib
import math
import os
import tempfile
from typing import Any, Protocol

import numpy as np

from offctx.data.storage.ids import FLAT_COPIES, datasets_root
from offctx.data.storage.leftovers import make_folder
from offctx.data.storage.room import check_room
from offctx.envs.base import Array
from offctx.errors import DatasetError


class Allocate(Protocol):
    """Makes an array of some shape and type, whose content is not defined; `np.empty` is one."""

    def __call__(self, shape: Any, dtype: Any, /) -> Array:
        """The array."""


def in_memory(shape: Any, dtype: Any, /) -> Array:
    """A new array in memory."""
    return np.empty(shape, dtype)


def on_disk(shape: Any, dtype: Any, /) -> Array:
    """A new array in a file without a name, in the hidden folder of flat copies beside the datasets.

    Its room is reserved, so that writing to it never fails. It goes with the last view of the array.

    Raises:
        DatasetError: the disk is too full, or refuses.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if not size:
        return np.empty(shape, dtype)
    folder = datasets_root() / FLAT_COPIES
    try:
        make_folder(folder)
        check_room(folder, size)
        with tempfile.TemporaryFile(dir=folder) as file:
            _reserve(file.fileno(), size)
            return np.memmap(file, dtype=dtype, mode="r+", shape=shape).view(np.ndarray)
    except OSError as error:
        raise DatasetError(f"{size / 1e6:.0f} MB cannot be written to {folder}: {error}") from error


def _reserve(file: int, size: int) -> None:
    os.ftruncate(file, size)
    if hasattr(os, "posix_fallocate"):
        with contextlib.suppress(NotImplementedError):
            os.posix_fallocate(file, 0, size)
