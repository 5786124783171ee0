"""The place of a dataset below the folder of datasets: whether one can be put there, asked before anything is played.

A complete dataset is renamed into the folder of its namespace. That needs a folder on the same file system which this process
may write to. `publish_dataset` makes the namespaces that are missing, so that a call which fails leaves none.
"""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from minari.namespace import NAMESPACE_METADATA_FILENAME

from offctx.data.storage.ids import dataset_folder, datasets_root, id_of
from offctx.data.storage.leftovers import staging_name
from offctx.errors import DatasetError

_EFFECTIVE = os.access in os.supports_effective_ids  # the user whose rights count when a file is written


def unused_dataset_folder(dataset_id: str) -> Path:
    """Returns the folder for a new dataset.

    Raises:
        DatasetError: the id is malformed, a dataset has it already, or no dataset can be put there.
    """
    folder = dataset_folder(dataset_id)
    if os.path.lexists(folder):
        name, _, version = dataset_id.rpartition("-v")
        inside = None if (folder / "data").exists() else next(folder.glob("**/data/metadata.json"), None)
        held = "" if inside is None else f", whose folder holds other datasets, such as {id_of(inside.parents[1])!r},"
        raise DatasetError(f"dataset id {dataset_id!r}{held} is taken: choose another, such as '{name}-v{int(version) + 1}'")
    check_place(dataset_id)
    return folder


def check_place(dataset_id: str) -> None:
    """Checks that a dataset can be put under its id, or in the place of the one that has it.

    Raises:
        DatasetError: a namespace is no folder, cannot be written, or lies on another file system than the folder of datasets;
            or that folder, or the dataset that would be replaced, cannot be written.
    """
    root, folder = datasets_root(), dataset_folder(dataset_id)
    written = {root, *_written(folder, dataset_id)}
    if folder.is_dir() and not folder.is_symlink():
        written.add(folder)  # to rename a folder into another one changes it
    for place in sorted(written):
        if not os.access(place, os.W_OK | os.X_OK, effective_ids=_EFFECTIVE):
            why = os.strerror(errno.EROFS if _is_read_only(place) else errno.EACCES)
            raise DatasetError(f"{dataset_id} cannot be written: {place} is not writable: {why}")
        if place != folder and _is_elsewhere(place, root):
            raise DatasetError(
                f"{dataset_id} cannot be written: {place} lies on another file system than the folder of datasets, {root}, and "
                f"datasets are renamed from one to the other: set MINARI_DATASETS_PATH to a folder on that file system, or "
                f"choose another namespace"
            )


def make_namespaces(folder: Path, temporary: Path) -> None:
    """Makes the folders above a dataset's folder, each with Minari's file that marks a namespace.

    Args:
        folder: of the dataset.
        temporary: where a file can be written, on the same file system.

    Raises:
        OSError: a folder or a file cannot be made.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    for namespace in _namespaces(folder):
        mark = namespace / NAMESPACE_METADATA_FILENAME
        if not mark.exists():
            temporary.write_text("{}")
            os.replace(temporary, mark)


def _namespaces(folder: Path) -> list[Path]:
    """The folders between the folder of datasets and that of a dataset, the outermost first."""
    root = datasets_root()
    return [parent for parent in reversed(folder.parents) if root in parent.parents]


def _written(folder: Path, dataset_id: str) -> Iterator[Path]:
    """The namespaces in which a new dataset makes an entry: the innermost one that exists, and those without a mark."""
    innermost: Path | None = None
    for namespace in _namespaces(folder):
        if not os.path.lexists(namespace):
            break
        if not namespace.is_dir():
            kind = "a link that leads to no folder" if namespace.is_symlink() else "a file"
            raise DatasetError(f"{dataset_id} cannot be written: {namespace} is {kind}; expected the folder of a namespace")
        if not (namespace / NAMESPACE_METADATA_FILENAME).exists():
            yield namespace
        innermost = namespace
    if innermost is not None:
        yield innermost


def _is_elsewhere(place: Path, root: Path) -> bool:
    """Whether a folder lies on another file system, or below another mount, than the folder of datasets."""
    if place.stat().st_dev != root.stat().st_dev:
        return True
    name = staging_name()
    try:
        os.rename(root / name, place / name)  # of a name that nothing has: Linux compares the mounts first
    except OSError as error:
        return error.errno == errno.EXDEV
    return False


def _is_read_only(place: Path) -> bool:
    return bool(os.statvfs(place).f_flag & os.ST_RDONLY) if hasattr(os, "statvfs") else False
