"""Minari's HDF5 file, written episode by episode, as small as HDF5 allows.

HDF5 reserves room for attributes beside every array, which many short episodes cannot afford, and gives the room back where
it copies. So each episode is laid out in a file in memory, and copied from there. An array is contiguous, or one compressed
chunk: neither needs an index. Minari needs no more, as it never lengthens an episode; it appends episodes of its own.

HDF5's low-level calls are used, because h5py's high-level ones would take longer than all the rest.
"""

import functools
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from h5py import h5a, h5d, h5f, h5g, h5o, h5p, h5s, h5t

from offctx.data.metadata import LAYOUT_VERSION
from offctx.data.storage.checked_file import CheckedFile
from offctx.data.storage.hdf5 import LAYOUT_MARK
from offctx.envs.base import Array

Compression = Literal["gzip"]

_SMALLEST_COMPRESSED = 1024  # bytes; below, a compressed chunk takes more than it saves
_TEMPLATE = b"episode"


class EpisodeFile:
    """A new HDF5 file of episodes.

    Args:
        raw: the empty file below; its errors are the caller's to check.
        compression: "gzip", which every HDF5 reads, or None.
        level: of the compression, 1 to 9.
    """

    def __init__(self, raw: CheckedFile, compression: Compression | None, level: int) -> None:
        self._file = raw.create_hdf5()
        self._root = h5g.open(self._file, b"/")
        mark_layout(self._file)
        self._template = _Template()
        self._compression, self._level = compression, level

    def append(self, name: str, attributes: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        """Writes one episode.

        Args:
            name: of its group.
            attributes: of the group; numbers and arrays of numbers.
            arrays: from names to arrays; names "infos/..." are in a group of their own.
        """
        smallest = _SMALLEST_COMPRESSED if self._compression else float("inf")
        plain = {key: array for key, array in arrays.items() if array.nbytes < smallest}
        self._template.fill({key: np.asarray(value) for key, value in attributes.items()}, plain)
        h5o.copy(self._template.root, _TEMPLATE, self._root, name.encode())
        if len(plain) < len(arrays):
            group = h5g.open(self._root, name.encode())
            for key in (key for key in arrays if key not in plain):
                self._write_compressed(group, key, arrays[key])

    def _write_compressed(self, group: h5g.GroupID, key: str, array: Array) -> None:
        """Not by copying: where HDF5 copies a compressed chunk, it reserves its room twice."""
        properties = array_properties()
        properties.set_chunk(array.shape)
        properties.set_shuffle()
        properties.set_deflate(self._level)
        write_array(group, key, array, properties)

    def places(self, count: int) -> Array:
        """Where the groups of the first `count` episodes, named "episode_<number>", begin in the file [bytes] (count,)."""
        links = self._root.links
        return np.array([links.get_info(b"episode_%d" % number).u for number in range(count)], dtype=np.uint64)

    def close(self) -> None:
        """Writes what is still in memory."""
        self._template.close()
        self._file.close()


class _Template:
    """The episode in memory; one with arrays of the same types and shapes as the last takes its place."""

    def __init__(self) -> None:
        access = h5p.create(h5p.FILE_ACCESS)
        access.set_fapl_core(backing_store=False)
        access.set_libver_bounds(h5f.LIBVER_V110, h5f.LIBVER_V110)
        access.set_fclose_degree(h5f.CLOSE_STRONG)
        self._file = h5f.create(b"episode in memory %d" % id(self), h5f.ACC_TRUNC, fapl=access)
        self.root = h5g.open(self._file, b"/")
        self._kinds: list[tuple[str, Any, tuple[int, ...]]] | None = None
        self._attributes: list[h5a.AttrID] = []
        self._datasets: list[h5d.DatasetID] = []

    def fill(self, attributes: Mapping[str, Array], arrays: Mapping[str, Array]) -> None:
        kinds = [(name, value.dtype, value.shape) for values in (attributes, arrays) for name, value in values.items()]
        if kinds != self._kinds:
            self._make(attributes, arrays)
            self._kinds = kinds
            return
        for attribute, value in zip(self._attributes, attributes.values(), strict=True):
            attribute.write(value, _type(value.dtype))
        for dataset, array in zip(self._datasets, arrays.values(), strict=True):
            dataset.write(h5s.ALL, h5s.ALL, np.ascontiguousarray(array), _type(array.dtype))

    def close(self) -> None:
        self._attributes, self._datasets = [], []
        self._file.close()

    def _make(self, attributes: Mapping[str, Array], arrays: Mapping[str, Array]) -> None:
        self._attributes, self._datasets = [], []
        if self._kinds is not None:
            self.root.unlink(_TEMPLATE)
        no_times = h5p.create(h5p.GROUP_CREATE)
        no_times.set_obj_track_times(False)
        group = h5g.create(self.root, _TEMPLATE, None, no_times)
        h5g.create(group, b"infos", None, no_times)
        for name, value in attributes.items():
            space = h5s.create_simple(value.shape) if value.shape else h5s.create(h5s.SCALAR)
            self._attributes.append(h5a.create(group, name.encode(), _type(value.dtype), space))
            self._attributes[-1].write(value, _type(value.dtype))
        self._datasets = [write_array(group, name, array, array_properties()) for name, array in arrays.items()]


def mark_layout(file: h5f.FileID) -> None:
    """Notes in an HDF5 file that it belongs to offctx metadata, which must then be there."""
    if not h5a.exists(file, LAYOUT_MARK):
        h5a.create(file, LAYOUT_MARK, h5t.STD_I64LE, h5s.create(h5s.SCALAR)).write(np.array(LAYOUT_VERSION))


def array_properties() -> h5p.PropDCID:
    """How an array is stored: contiguous, and without times."""
    properties = h5p.create(h5p.DATASET_CREATE)
    properties.set_obj_track_times(False)
    properties.set_fill_time(h5d.FILL_TIME_NEVER)
    properties.set_layout(h5d.CONTIGUOUS)
    return properties


def write_array(group: h5g.GroupID, name: str, array: Array, properties: h5p.PropDCID) -> h5d.DatasetID:
    """Writes a new array; the groups in its name exist."""
    dataset = h5d.create(group, name.encode(), _type(array.dtype), h5s.create_simple(array.shape), properties)
    dataset.write(h5s.ALL, h5s.ALL, np.ascontiguousarray(array), _type(array.dtype))
    return dataset


@functools.cache
def _type(dtype: Any) -> h5t.TypeID:
    """HDF5's type, made once: to make it anew takes longer than to write the array of an episode."""
    return h5t.py_create(dtype, logical=True)
