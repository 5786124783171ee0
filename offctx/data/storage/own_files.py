"""A dataset is its own files: what lies elsewhere is neither read nor written through.

Refused are symbolic links and special files in a dataset's folder, and in HDF5 links, virtual datasets and external storage.
"""

import contextlib
import math
import os
import stat
from collections.abc import Iterator, Sequence
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
from h5py import h5d, h5f, h5g, h5l, h5o, h5p, h5r, h5s, h5t, ref_dtype

from offctx.envs.base import Array
from offctx.errors import DatasetError

_LINKS = {h5l.TYPE_SOFT: "a soft link", h5l.TYPE_EXTERNAL: "a link to another file"}
_KINDS = {stat.S_IFLNK: "a symbolic link", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}


def check_folder(folder: Path, dataset_id: str) -> None:
    """Checks that a folder holds regular files and folders only, at any depth. The folder itself may be a link.

    Raises:
        DatasetError: names the first entry that is something else, such as a symbolic link or a FIFO.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                check_folder(Path(entry), dataset_id)
            elif not entry.is_file(follow_symlinks=False):
                kind = _KINDS.get(stat.S_IFMT(entry.stat(follow_symlinks=False).st_mode), "a device")
                raise DatasetError(f"{dataset_id}: {entry.name} is {kind}; a dataset consists of its own regular files")


def read_regular_file(path: Path, limit: int) -> bytes:
    """Reads a whole file.

    Raises:
        OSError: it cannot be read, is no regular file, or has more than `limit` bytes.
    """
    with open_regular_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > limit:
            raise OSError(f"{path.name} has {size} bytes; at most {limit} are read")
        return file.read()


@contextlib.contextmanager
def open_regular_file(path: Path) -> Iterator[BufferedReader]:
    """Gives an open file, to be read.

    Raises:
        OSError: it cannot be read, or is no regular file, such as a symbolic link or a FIFO.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"{path.name} is not a regular file")
        yield file


def check_links(file: Any, dataset_id: str, read: frozenset[str] = frozenset()) -> None:
    """Checks that every object of an HDF5 file is in the file itself.

    Args:
        file: the open file, `h5py.h5f.FileID`.
        dataset_id: for messages.
        read: names in the groups of episodes, such as "infos/context": `check_storage` sees these when they are read.

    Raises:
        DatasetError: names the first object that is elsewhere.
    """
    others: list[bytes] = []
    known = {name.encode() for name in read}

    def visit(name: bytes, info: Any) -> bytes | None:
        if info.type != h5l.TYPE_HARD:
            return name
        if name.partition(b"/")[2] not in known:
            others.append(name)
        return None

    root = h5g.open(file, b"/")
    name = root.links.visit(visit, info=True)
    if name is not None:
        kind = _LINKS.get(root.links.get_info(name).type, "a link of an unknown kind")
        raise DatasetError(f"{dataset_id}: {_text(name)} is {kind}; a dataset consists of what its own files hold")
    for name in others:
        member = h5o.open(file, name)
        if isinstance(member, h5d.DatasetID):
            check_storage(member, name, dataset_id)


def own_group(file: Any, name: bytes, dataset_id: str, *, inside: bool = True) -> Any:
    """Opens a group of an HDF5 file. Its link, and all links in it, lead to this very file.

    Args:
        file: the open file, `h5py.h5f.FileID`.
        name: of the group, in the root.
        dataset_id: for messages.
        inside: look at the links in the group; False where none of them will be followed.

    Raises:
        DatasetError: names the first link that leads elsewhere.
        KeyError: there is no such group.
    """
    root = h5g.open(file, b"/")
    if root.links.get_info(name).type != h5l.TYPE_HARD:
        raise DatasetError(_elsewhere(name, dataset_id))
    group = h5g.open(root, name)
    if inside:
        check_links_in(group, dataset_id)
    return group


def own_groups_at(file: Any, places: Sequence[int], dataset_id: str) -> list[Any]:
    """Opens groups of an HDF5 file by their places in it, without the index of names. All links in them lead to this file.

    Args:
        file: the open file, `h5py.h5f.FileID`.
        places: the first byte of each group.
        dataset_id: for messages.

    Raises:
        DatasetError: there is no group at a place, or a link in it leads elsewhere.
    """
    groups = []
    for reference in _references(places):
        group = h5r.dereference(reference, file)
        if not isinstance(group, h5g.GroupID):
            raise DatasetError(f"{dataset_id}: in the place of an episode there is something else")
        check_links_in(group, dataset_id)
        groups.append(group)
    return groups


def _references(places: Sequence[int]) -> Array:
    """HDF5's references to objects at these places, which it gives out only as the content of a file: here, one in memory."""
    access = h5p.create(h5p.FILE_ACCESS)
    access.set_fapl_core(backing_store=False)
    file = h5f.create(b"references", h5f.ACC_TRUNC, fapl=access)
    try:
        stored = h5d.create(file, b"places", h5t.STD_REF_OBJ, h5s.create_simple((len(places),)))
        stored.write(h5s.ALL, h5s.ALL, np.array(places, dtype="<u8"), h5t.STD_REF_OBJ)
        references = np.empty(len(places), dtype=ref_dtype)
        stored.read(h5s.ALL, h5s.ALL, references)
    finally:
        file.close()
    return references


def check_links_in(group: Any, dataset_id: str) -> None:
    """Checks that all links in a group of an HDF5 file lead to this very file.

    Raises:
        DatasetError: names the first link that leads elsewhere.
    """
    link = group.links.visit(lambda name, info: None if info.type == h5l.TYPE_HARD else name, info=True)
    if link is not None:
        raise DatasetError(_elsewhere(link, dataset_id))


def check_storage(dataset: Any, name: bytes, dataset_id: str, limit: float = math.inf) -> None:
    """Checks that the data of an HDF5 dataset are in its own file, and that no chunk has more than `limit` bytes.

    Raises:
        DatasetError: it is a virtual dataset, has external storage, or a chunk is larger.
    """
    if dataset.get_offset() is not None:
        return  # contiguous, at a place in this file; HDF5 looks for external storage only where there is none
    properties = dataset.get_create_plist()  # which takes longer than reading a short array
    layout = properties.get_layout()
    if layout == h5d.VIRTUAL:
        raise DatasetError(f"{dataset_id}: {_text(name)} is a virtual dataset; a dataset consists of what its own files hold")
    if properties.get_external_count():
        raise DatasetError(f"{dataset_id}: {_text(name)} is stored outside of its file; a dataset consists of its own files")
    if layout == h5d.CHUNKED and math.prod(properties.get_chunk()) * dataset.get_type().get_size() > limit:
        raise DatasetError(f"{dataset_id}: a chunk of {_text(name)} has more than {limit:g} bytes")


def _elsewhere(name: bytes, dataset_id: str) -> str:
    return f"{dataset_id}: {_text(name)} is a link to elsewhere; a dataset is its own files"


def _text(name: bytes) -> str:
    return name.decode(errors="replace")
