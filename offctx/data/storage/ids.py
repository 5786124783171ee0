"""Dataset ids, and the folders below MINARI_DATASETS_PATH that belong to them.

Beside the datasets stand hidden folders (Minari lists no folder whose name begins with a dot): flat copies, unfinished
derivatives and collections, locks, and the old dataset while a new one takes its place. In each of them a dataset has an entry
named by its id.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

from minari.dataset.minari_dataset import parse_dataset_id
from minari.storage import get_dataset_path

from offctx.data.storage.locks import locked_if_free
from offctx.errors import DatasetError

FLAT_COPIES = ".offctx-cache"
UNFINISHED_WORK = ".offctx-derivatives"
UNFINISHED_COLLECTIONS = ".offctx-work"
REPLACED = ".offctx-replaced"
UNFINISHED_PULLS = ".offctx-pulls"
LOCKS = ".offctx-locks"
STAGING_PREFIX = ".offctx-staging-"

_SLASH = "%2F"  # in the names of entries; no id contains it
_LONGEST = 200  # bytes of an entry's name, so that it is a valid file name everywhere
_PATIENCE = 10.0  # seconds to wait for a process that replaces a dataset: two renames
_ROOT: ContextVar[Path | None] = ContextVar("offctx_datasets_root", default=None)  # as `datasets_in` has set it


def datasets_root() -> Path:
    """The folder of all datasets, MINARI_DATASETS_PATH. Absolute: Minari's storage fails where it is given a relative one.

    Raises:
        DatasetError: it does not exist and cannot be made.
    """
    root = _ROOT.get()
    if root is not None:
        return root
    try:
        return Path(get_dataset_path()).absolute()
    except OSError as error:
        raise DatasetError(f"the folder of datasets, MINARI_DATASETS_PATH, cannot be made: {error}") from error


@contextlib.contextmanager
def datasets_in(root: Path) -> Iterator[None]:
    """While it lasts, `datasets_root` is `root` in this thread, whatever MINARI_DATASETS_PATH and the working directory are."""
    token = _ROOT.set(root)
    try:
        yield
    finally:
        _ROOT.reset(token)


def dataset_folder(dataset_id: str) -> Path:
    """Returns the folder of a dataset, which need not exist.

    Restores the old dataset where a process was killed between the two renames of `replace_dataset`.

    Raises:
        DatasetError: the id is malformed, lies inside another dataset's folder, or a folder above may not be read.
    """
    folder = datasets_root() / _checked(dataset_id)
    try:
        for parent in folder.parents[: dataset_id.count("/")]:
            if (parent / "data").exists():
                raise DatasetError(f"{dataset_id!r} is inside the folder of another dataset, {id_of(parent)}")
        if not folder.exists():
            _await_replacement(folder)
    except PermissionError as error:
        raise DatasetError(f"{dataset_id}: the folder of its namespace cannot be read: {error}") from error
    return folder


def hidden_folder(folder: Path, kind: str) -> Path:
    """Returns the entry for a dataset's folder in the hidden folder `kind`."""
    return datasets_root() / kind / folder.relative_to(datasets_root()).as_posix().replace("/", _SLASH)


def owner_of(entry: Path) -> Path:
    """Returns the dataset's folder to which an entry of a hidden folder belongs."""
    return datasets_root() / entry.name.replace(_SLASH, "/")


def lock_file(folder: Path) -> Path:
    """Returns the file of the lock that whoever changes the dataset in this folder holds."""
    entry = hidden_folder(folder, LOCKS)
    return entry.with_name(f"{entry.name}.lock")


def work_folder(dataset_id: str) -> Path:
    """Returns the folder for unfinished work on a dataset, which need not exist."""
    return hidden_folder(dataset_folder(dataset_id), UNFINISHED_WORK)


def restore_replaced(folder: Path) -> None:
    """Puts a replaced dataset back where no new one stands in its place. The caller holds the lock of the dataset."""
    old = hidden_folder(folder, REPLACED)
    if os.path.lexists(old) and not os.path.lexists(folder):
        with contextlib.suppress(OSError):
            os.rename(old, folder)
            old.parent.rmdir()  # fails while there are others


def id_of(folder: Path) -> str:
    """Returns the id of the dataset in a folder."""
    return folder.relative_to(datasets_root()).as_posix()


def _checked(dataset_id: str) -> str:
    """The id, where it is one."""
    try:
        parse_dataset_id(dataset_id)
    except (ValueError, TypeError) as error:
        raise DatasetError(
            f"malformed dataset id {dataset_id!r}: Minari expects <namespace>/<name>-v<number>, letters, digits, - and _, at "
            f"least two in the namespace, such as 'offctx/PendulumGoal/mixed-v0'"
        ) from error
    if len(dataset_id.replace("/", _SLASH).encode()) > _LONGEST:
        raise DatasetError(f"malformed dataset id {dataset_id[:40]!r}...: it is longer than {_LONGEST} characters")
    if any(character.isdecimal() and not character.isascii() for character in dataset_id):
        raise DatasetError(f"malformed dataset id {dataset_id!r}: its digits must be 0 to 9")
    parts = dataset_id.split("/")
    if "" in parts or "data" in parts:
        raise DatasetError(f"malformed dataset id {dataset_id!r}: no part of it may be empty or 'data', which Minari reserves")
    return dataset_id


def _await_replacement(folder: Path) -> None:
    """Waits until a process that replaces the dataset in this folder has done so; restores the old one where it has died."""
    deadline = time.monotonic() + _PATIENCE
    old = hidden_folder(folder, REPLACED)
    while os.path.lexists(old) and not folder.exists():
        with locked_if_free(lock_file(folder)) as locked:
            if locked or time.monotonic() > deadline:
                restore_replaced(folder)
                return
        time.sleep(0.001)
