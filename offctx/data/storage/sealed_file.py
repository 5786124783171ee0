"""Files of arrays with checksums: what is damaged, or stands in the place of another file, is not read.

Finished parts of unfinished work are in such files, and may be read after a crash of the machine.

A file begins with the length of its index. The index is JSON: of each array its name, type, shape and SHA-256. After it come a
SHA-256 of the index and of the file's name, and the arrays end to end. So one array can be read, and verified, alone.
"""

import hashlib
import json
import math
import os
from collections.abc import Collection, Mapping
from io import BufferedReader
from pathlib import Path

import numpy as np

from offctx.data.storage.own_files import open_regular_file
from offctx.envs.base import Array
from offctx.files import replaced_on_success

_LENGTH_BYTES, _CHECKSUM_BYTES = 8, 32
_KINDS = "biuf"


def write_sealed(path: Path, name: str, arrays: Mapping[str, Array]) -> None:
    """Writes arrays to a file, which appears when it is complete.

    Args:
        path: of the file, in a folder that exists.
        name: says what the arrays are; `read_sealed` needs the same one.
        arrays: of booleans or numbers, by their names.

    Raises:
        OSError: the file cannot be written; `path` is then as it was.
    """
    contents = {key: _bytes(array) for key, array in arrays.items()}
    entries = [
        [key, array.dtype.str, list(array.shape), hashlib.sha256(contents[key]).hexdigest()] for key, array in arrays.items()
    ]
    index = json.dumps(entries).encode()
    with replaced_on_success(path) as temporary, temporary.open("wb") as file:
        file.write(len(index).to_bytes(_LENGTH_BYTES, "little") + index + _seal(name, index))
        for content in contents.values():
            file.write(content)


def read_sealed(path: Path, name: str, only: Collection[str] | None = None) -> dict[str, Array] | None:
    """Reads the arrays of a file that `write_sealed` has made.

    Args:
        path: of the file.
        name: with which it was written.
        only: the names of arrays to be read; None for all.

    Returns:
        The arrays by their names; None where there is no such file, or it is damaged in any way.
    """
    try:
        with open_regular_file(path) as file:
            return _read(file, name, only)
    except (OSError, MemoryError):
        return None


def _read(file: BufferedReader, name: str, only: Collection[str] | None) -> dict[str, Array] | None:
    left = os.fstat(file.fileno()).st_size - _LENGTH_BYTES - _CHECKSUM_BYTES
    length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
    if length > left:
        return None
    index = file.read(length)
    if file.read(_CHECKSUM_BYTES) != _seal(name, index):
        return None
    entries = [(key, np.dtype(dtype), shape, checksum) for key, dtype, shape, checksum in json.loads(index)]
    if any(dtype.kind not in _KINDS for _, dtype, _, _ in entries):
        return None  # made by others: no object may come out of a file
    if sum(math.prod(shape) * dtype.itemsize for _, dtype, shape, _ in entries) != left - length:
        return None
    arrays: dict[str, Array] = {}
    for key, dtype, shape, checksum in entries:
        if only is not None and key not in only:
            file.seek(math.prod(shape) * dtype.itemsize, os.SEEK_CUR)
            continue
        array = np.empty(shape, dtype)
        content = _bytes(array)
        if file.readinto(content) != array.nbytes or hashlib.sha256(content).hexdigest() != checksum:
            return None
        arrays[key] = array
    return arrays


def _bytes(array: Array) -> memoryview:
    """The bytes of an array, in its own memory where it is contiguous."""
    return np.asarray(array, order="C").reshape(-1).view(np.uint8).data


def _seal(name: str, index: bytes) -> bytes:
    digest = hashlib.sha256(name.encode())
    digest.update(b"\0")
    digest.update(index)
    return digest.digest()
