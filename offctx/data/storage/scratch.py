"""Arrays in files that nobody else sees, for what does not fit into memory: the system keeps of them what there is room for.

The files have no name, so that they are gone with the process, also after kill -9.
"""

import contextlib
import math
import mmap
import os
import tempfile
from typing import Any, Protocol

import numpy as np

from offctx.data.storage.ids import FLAT_COPIES, datasets_root
from offctx.data.storage.room import check_room
from offctx.envs.base import Array
from offctx.errors import DatasetError
from offctx.files import make_folder


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


def release(*arrays: Array) -> None:
    """Lets the system take back the memory of arrays that are mapped from files; it reads pages again when they are used.

    Whoever goes through a large mapped array block by block calls this after each block: otherwise the process seems to hold
    all of it. Other arrays stay as they are, and so does the content of all.
    """
    for array in arrays:
        owner: Any = array
        while isinstance(owner, np.ndarray) and not isinstance(owner, np.memmap):
            owner = owner.base
        if isinstance(owner, np.memmap) and owner.mode in ("r", "r+") and hasattr(mmap, "MADV_DONTNEED"):
            owner._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]  # np.memmap has no public name for it


def _reserve(file: int, size: int) -> None:
    os.ftruncate(file, size)
    if hasattr(os, "posix_fallocate"):
        with contextlib.suppress(NotImplementedError):
            os.posix_fallocate(file, 0, size)
