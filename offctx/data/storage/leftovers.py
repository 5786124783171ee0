"""What killed processes leave behind in the folder of datasets, and its removal once no living process owns it."""

import contextlib
import os
import secrets
import shutil
from pathlib import Path

from offctx.data.storage.ids import (
    FLAT_COPIES,
    LOCKS,
    REPLACED,
    STAGING_PREFIX,
    UNFINISHED_WORK,
    datasets_root,
    lock_file,
    owner_of,
    restore_replaced,
)
from offctx.data.storage.locks import locked_if_free


def remove_leftovers() -> None:
    """Removes what nobody needs any more, and restores datasets whose replacement was cut short.

    Removed are staging folders of dead processes, old datasets that were replaced, and the flat copies and unfinished work
    of datasets that are gone. What a living process owns stays, as its lock says. Where the folder of datasets cannot be
    written, or has no locks, nothing happens.
    """
    root = datasets_root()
    for parent in (root, root / FLAT_COPIES):
        for folder in folders_in(parent):
            if folder.name.startswith(STAGING_PREFIX):
                with locked_if_free(staging_lock(folder.name)) as free:
                    if free:
                        shutil.rmtree(folder, ignore_errors=True)
    for kind in (REPLACED, UNFINISHED_WORK, FLAT_COPIES):  # in this order: a restored dataset keeps its work and its copy
        for entry in folders_in(root / kind):
            if kind == REPLACED or not os.path.lexists(owner_of(entry)):
                _remove_entry(entry)
    with contextlib.suppress(OSError):
        for lock in list((root / LOCKS).iterdir()):
            with locked_if_free(lock):
                pass  # a lock that was free is deleted when it is released


def discard(folder: Path) -> None:
    """Deletes a folder, or a link to one. It is renamed first, so that nobody finds half of it under its name."""
    aside = _set_aside(folder)
    if aside is not None:
        shutil.rmtree(aside, ignore_errors=True)


def rename_into(source: Path, entry: Path) -> None:
    """Renames to an entry of a hidden folder, which is made where it is missing. Others may delete it while it is empty."""
    for attempt in range(10):
        try:
            entry.parent.mkdir(exist_ok=True)
            return os.rename(source, entry)
        except FileNotFoundError:
            if attempt == 9 or not os.path.lexists(source):
                raise
    return None


def staging_name() -> str:
    """Returns the name of a new staging folder."""
    return f"{STAGING_PREFIX}{secrets.token_hex(8)}"


def staging_lock(name: str) -> Path:
    """Returns the file of the lock that the owner of a staging folder holds."""
    return datasets_root() / LOCKS / f"{name}.lock"


def folders_in(parent: Path) -> list[Path]:
    """Returns the folders, and links to folders, in a folder that need not exist."""
    try:
        with os.scandir(parent) as entries:
            return [Path(entry) for entry in entries if entry.is_dir()]
    except OSError:
        return []


def _remove_entry(entry: Path) -> None:
    """Removes the entry of a dataset in a hidden folder, where the dataset does not need it and its lock is free."""
    folder, aside = owner_of(entry), None
    with locked_if_free(lock_file(folder)) as free:
        if free:
            restore_replaced(folder)
            if entry.parent.name == REPLACED or not os.path.lexists(folder):
                aside = _set_aside(entry)
    if aside is not None:
        shutil.rmtree(aside, ignore_errors=True)


def _set_aside(folder: Path) -> Path | None:
    """Renames a folder to the name of a staging folder that no process owns; unlinks a link."""
    with contextlib.suppress(OSError):
        if folder.is_symlink():
            folder.unlink()
        elif folder.exists():
            aside = datasets_root() / staging_name()
            os.rename(folder, aside)
            with contextlib.suppress(OSError):
                folder.parent.rmdir()  # fails while there are other entries
            return aside
    return None
