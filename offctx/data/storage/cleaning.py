"""What stands beside the datasets and can be made again, such as flat copies: its size, and its deletion."""

import contextlib
import errno
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from offctx.data.storage.ids import (
    FLAT_COPIES,
    LOCKS,
    REPLACED,
    STAGING_PREFIX,
    UNFINISHED_COLLECTIONS,
    UNFINISHED_PULLS,
    UNFINISHED_WORK,
    datasets_root,
    lock_file,
    owner_of,
)
from offctx.data.storage.leftovers import discard, folders_in, remove_leftovers, staging_lock
from offctx.data.storage.locks import locked_if_free

_KINDS = {
    FLAT_COPIES: "flat copy",
    UNFINISHED_WORK: "unfinished derivatives",
    UNFINISHED_COLLECTIONS: "unfinished collection",
    UNFINISHED_PULLS: "unfinished pull",
    REPLACED: "replaced dataset",
}
_PREFIX = ".offctx-"


@dataclass(frozen=True)
class Extra:
    """A folder beside the datasets that can be made again.

    Attributes:
        kind: "flat copy" (makes loading fast), "unfinished derivatives" or "unfinished collection" (an interrupted
            `attach_derivatives` or `collect` goes on from there), or another kind of unfinished work.
        dataset_id: of the dataset that it belongs to; None where it belongs to a process alone.
        path: the folder.
        size: bytes on the disk.
        in_use: whether a living process holds its lock.
        deleted: whether `clean` deleted it.
        obstacle: what forbids to delete it, whoever uses it, such as "Read-only file system"; "" for nothing.
    """

    kind: str
    dataset_id: str | None
    path: Path
    size: int
    in_use: bool
    deleted: bool = False
    obstacle: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Returns the attributes as plain JSON data."""
        return asdict(self) | {"path": str(self.path)}


def clean(*, dry_run: bool = False) -> list[Extra]:
    """Deletes what stands beside the datasets and can be made again. Datasets themselves are never touched.

    Flat copies are made again by the next load, unfinished work begins anew. What a living process works on stays. What killed
    processes left is removed at every call of offctx anyway, and so here, with `dry_run` too.

    Args:
        dry_run: delete nothing more.

    Returns:
        What there is, or was: the largest first.

    Raises:
        DatasetError: the folder of datasets cannot be made.

    Example::

        for extra in offctx.clean(dry_run=True):
            print(extra.size, extra.kind, extra.dataset_id)
    """
    remove_leftovers()
    extras = [_look(folder, dry_run) for folder in _all_folders()]
    return sorted(extras, key=lambda extra: (-extra.size, str(extra.path)))


def _all_folders() -> list[Path]:
    """The entries of hidden folders, and staging folders."""
    folders = []
    for hidden in folders_in(datasets_root()):
        if hidden.name.startswith(STAGING_PREFIX):
            folders.append(hidden)
        elif hidden.name.startswith(_PREFIX) and hidden.name != LOCKS:
            folders += folders_in(hidden)
    return folders


def _look(folder: Path, dry_run: bool) -> Extra:
    """One folder, deleted where it may be."""
    staged = folder.name.startswith(STAGING_PREFIX)
    kind = "being written" if staged else _KINDS.get(folder.parent.name, folder.parent.name.removeprefix(_PREFIX))
    dataset_id = None if staged else owner_of(folder).relative_to(datasets_root()).as_posix()
    size = _size(folder)
    errors: list[OSError] = []
    with locked_if_free(staging_lock(folder.name) if staged else lock_file(owner_of(folder)), errors.append) as free:
        obstacle = str(errors[0].strerror) if errors else _refusal(folder)
        if free and not obstacle and not dry_run:
            discard(folder)
            if os.path.lexists(folder):
                obstacle = "it could not be renamed"
    in_use, deleted = not free and not errors, not os.path.lexists(folder)
    return Extra(kind, dataset_id, folder, size, in_use=in_use, deleted=deleted, obstacle=obstacle)


def _refusal(folder: Path) -> str:
    """Why this process may not rename a folder to another one in the folder of datasets, as `discard` does; "" if it may."""
    needed = (datasets_root(), folder.parent, *([] if folder.is_symlink() else [folder]))
    return "" if all(os.access(each, os.W_OK | os.X_OK) for each in needed) else os.strerror(errno.EACCES)


def _size(folder: Path) -> int:
    """Bytes of all files below a folder; links are not followed, and what goes meanwhile is not counted."""
    size = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                size += os.lstat(os.path.join(parent, name)).st_size
    return size
