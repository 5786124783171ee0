"""Changing datasets safely: the lock of an id, and folders that belong to one process."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from offctx.data.storage.ids import dataset_folder, datasets_root, lock_file, restore_replaced
from offctx.data.storage.leftovers import remove_leftovers, staging_lock, staging_name
from offctx.data.storage.locks import Busy, locked
from offctx.errors import DatasetError


@contextlib.contextmanager
def changing(dataset_id: str, what: str, *, wait: bool = False) -> Iterator[None]:
    """Holds the lock of an id in the block. Whoever makes, changes or replaces a dataset does so under its lock.

    The lock dies with its process. Reading needs no lock: a dataset is replaced by renames of whole folders.

    Args:
        dataset_id: the id, which need not have a dataset.
        what: what the caller does, for the messages of others, such as "collecting".
        wait: wait until the lock is free, after a warning that says who holds it; False refuses.

    Raises:
        DatasetError: the id is malformed, another process holds its lock, or nothing can be written.

    Example::

        with changing("offctx/PendulumGoal/random-v0", "attaching derivatives to", wait=True):
            ...
    """
    remove_leftovers()
    folder = dataset_folder(dataset_id)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(lock_file(folder), f"{what} {dataset_id}", wait=wait))
        except Busy as busy:
            raise DatasetError(f"{dataset_id} is in use by {busy.holder}: wait for it, or choose another id") from busy
        except OSError as error:
            raise DatasetError(f"cannot write to the folder of datasets, {datasets_root()}: {error}") from error
        restore_replaced(folder)
        yield


@contextlib.contextmanager
def staging(parent: Path | None = None) -> Iterator[Path]:
    """Gives a new empty folder beside the datasets, and deletes it and what is left in it afterwards.

    The folder belongs to this process. Where the process is killed, `remove_leftovers` deletes the folder. What is to stay
    is built in a subfolder and renamed to its place.

    Args:
        parent: the folder of datasets where not given, or a hidden folder in it.

    Raises:
        OSError: nothing can be written there.
    """
    name = staging_name()
    with locked(staging_lock(name), f"writing {name}", wait=True):
        folder = (datasets_root() if parent is None else parent) / name
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
