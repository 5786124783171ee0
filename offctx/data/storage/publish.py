"""A complete dataset folder is put under its id: a new id, or in place of the dataset that has it.

Both are renames of whole folders, so that nobody ever reads half a dataset. The caller holds the lock of the id (`changing`).
"""

import os
from pathlib import Path

from offctx.data.storage.ids import REPLACED, dataset_folder, hidden_folder, restore_replaced
from offctx.data.storage.leftovers import discard, rename_into
from offctx.data.storage.place import make_namespaces
from offctx.errors import DatasetError


def publish_dataset(dataset_id: str, complete: Path) -> None:
    """Renames a complete dataset folder to the folder of an unused id.

    Raises:
        DatasetError: another process has used the id in the meantime, or the namespace cannot be made.
    """
    folder = dataset_folder(dataset_id)
    try:
        make_namespaces(folder, complete.with_name("namespace"))
        os.rename(complete, folder)
    except OSError as error:
        exists = os.path.lexists(folder)
        what = f"dataset id {dataset_id!r} was taken meanwhile" if exists else f"{dataset_id} cannot be written"
        raise DatasetError(f"{what}: {error}") from error


def replace_dataset(dataset_id: str, complete: Path) -> None:
    """Puts a complete dataset folder in the place of the dataset that has the id, then deletes the old one.

    The old folder is renamed away, then the new one is renamed into its place. If the process is killed between these two
    renames, the next `dataset_folder` of this id puts the old dataset back. Readers that have opened the old files go on
    reading these.

    Raises:
        DatasetError: a rename failed; the old dataset is in its place.
    """
    folder = dataset_folder(dataset_id)
    old = hidden_folder(folder, REPLACED)
    try:
        discard(old)
        rename_into(folder, old)
        os.rename(complete, folder)
    except OSError as error:
        raise DatasetError(f"{dataset_id} cannot be replaced, and is as it was: {error}") from error
    finally:
        restore_replaced(folder)  # where the new one did not get there
    discard(old)
