"""A complete dataset folder is put under its id: a new id, or in place of the dataset that has it.

Both are renames of whole folders, so that nobody ever reads half a dataset.
"""

import contextlib
import os
import shutil
from pathlib import Path

from minari.dataset.minari_dataset import parse_dataset_id
from minari.namespace import create_namespace, list_local_namespaces

from offctx.data.storage.ids import REPLACED, dataset_folder, hidden_folder
from offctx.errors import DatasetError


def publish_dataset(dataset_id: str, complete: Path) -> None:
    """Renames a complete dataset folder to the folder of an unused id.

    Raises:
        DatasetError: another process has used the id in the meantime.
    """
    folder = dataset_folder(dataset_id)
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.rename(complete, folder)
    except OSError as error:
        raise DatasetError(f"dataset id {dataset_id!r} was taken meanwhile: {error}") from error
    namespace = parse_dataset_id(dataset_id)[0]
    if namespace is not None and namespace not in list_local_namespaces():
        create_namespace(namespace)


def replace_dataset(dataset_id: str, complete: Path) -> None:
    """Puts a complete dataset folder in the place of the dataset that has the id, then deletes the old one.

    The old folder is renamed away, then the new one is renamed into its place. If the process is killed between these two
    renames, the next `dataset_folder` of this id puts the old dataset back.

    Raises:
        DatasetError: a rename failed; the old dataset is in its place.
    """
    folder = dataset_folder(dataset_id)
    old = hidden_folder(folder, REPLACED)
    deleted = old.with_suffix(".done")  # `dataset_folder` does not restore a folder of this name
    try:
        old.parent.mkdir(exist_ok=True)
        for leftover in (old, deleted):  # of a process that was killed before it could delete them
            _delete(leftover)
        os.rename(folder, old)
        os.rename(complete, folder)
    except OSError as error:
        raise DatasetError(f"{dataset_id} cannot be replaced, and is as it was: {error}") from error
    finally:
        dataset_folder(dataset_id)  # restores the old dataset if the new one did not get there
    with contextlib.suppress(OSError):
        os.rename(old, deleted)
        _delete(deleted)
        old.parent.rmdir()  # fails where another process replaces a dataset at this moment


def _delete(folder: Path) -> None:
    if folder.is_symlink():
        folder.unlink()
    shutil.rmtree(folder, ignore_errors=True)
