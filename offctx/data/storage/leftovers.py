"""What killed processes leave behind in the folder of datasets, and its removal once no living process owns it."""

import contextlib
import hashlib
import json
import os
import secrets
import shutil
from pathlib import Path

from minari.dataset.minari_storage import METADATA_FILE_NAME

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
    restore_replaced,
)
from offctx.data.storage.limits import METADATA_BYTES
from offctx.data.storage.locks import locked_if_free
from offctx.data.storage.own_files import read_regular_file
from offctx.files import make_folder

ABOUT_WORK = "about.json"  # in a folder of unfinished work
_LARGEST = 10_000  # bytes of it


def remove_leftovers() -> None:
    """Removes what nobody needs any more, and restores datasets whose replacement was cut short.

    Removed are staging folders of dead processes, old datasets that were replaced, work and pulls that have been finished, and
    the flat copies and unfinished derivatives of datasets that are gone. What a living process owns stays, as its lock says.
    Where the folder of datasets cannot be written, or has no locks, nothing happens.
    """
    root = datasets_root()
    for parent in (root, root / FLAT_COPIES):
        for folder in folders_in(parent):
            if folder.name.startswith(STAGING_PREFIX):
                with locked_if_free(staging_lock(folder.name)) as free:
                    if free:
                        shutil.rmtree(folder, ignore_errors=True)
    # In this order: a restored dataset keeps its work and its copy.
    for kind in (REPLACED, UNFINISHED_WORK, UNFINISHED_COLLECTIONS, FLAT_COPIES):
        for entry in folders_in(root / kind):
            if _is_outdated(entry):
                _remove_entry(entry)
            elif kind == UNFINISHED_WORK:
                _remove_finished_work(entry)
    for entry in folders_in(root / UNFINISHED_PULLS):
        _remove_finished_pull(entry)
    with contextlib.suppress(OSError):
        for lock in list((root / LOCKS).iterdir()):
            with locked_if_free(lock):
                pass  # a lock that was free is deleted when it is released
    for kind in (REPLACED, UNFINISHED_WORK, UNFINISHED_COLLECTIONS, UNFINISHED_PULLS, LOCKS):
        with contextlib.suppress(OSError):
            (root / kind).rmdir()  # fails where something is in it


def discard(folder: Path) -> None:
    """Deletes a folder, or a link to one. It is renamed first, so that nobody finds half of it under its name."""
    aside = _set_aside(folder)
    if aside is not None:
        shutil.rmtree(aside, ignore_errors=True)


def rename_into(source: Path, entry: Path) -> None:
    """Renames to an entry of a hidden folder, which is made where it is missing. Others may delete it while it is empty."""
    for attempt in range(10):
        try:
            make_folder(entry.parent)
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


def _is_outdated(entry: Path) -> bool:
    """Whether nobody needs an entry: a replaced dataset, the unfinished collection of a finished one, what belongs to none."""
    if entry.parent.name == REPLACED:
        return True
    return os.path.lexists(owner_of(entry)) == (entry.parent.name == UNFINISHED_COLLECTIONS)


def _remove_entry(entry: Path) -> None:
    """Removes the entry of a dataset in a hidden folder, where nobody needs it and the lock of the dataset is free."""
    folder, aside = owner_of(entry), None
    with locked_if_free(lock_file(folder)) as free:
        if free:
            restore_replaced(folder)
            if _is_outdated(entry):
                aside = _set_aside(entry)
    if aside is not None:
        shutil.rmtree(aside, ignore_errors=True)


def about_work(folder: Path, new_id: str | None) -> str:
    """Returns the content of `ABOUT_WORK`: for which dataset, in the state of now, the work is, and which id it will have.

    Args:
        folder: of the dataset, which need not exist.
        new_id: id of the dataset that the work makes; None where it makes or replaces the dataset in `folder`.
    """
    return json.dumps({"metadata": _metadata_hash(folder), "new_id": new_id})


def _remove_finished_work(entry: Path) -> None:
    """Removes the work on a dataset that has been replaced since, or whose new dataset exists, where its lock is free."""
    for work in folders_in(entry):
        if _is_finished(work, owner_of(entry)):
            with locked_if_free(lock_file(owner_of(entry))) as free:
                if free and _is_finished(work, owner_of(entry)):
                    discard(work)
    with locked_if_free(lock_file(owner_of(entry))) as free, contextlib.suppress(OSError):
        if free and entry.exists():
            entry.rmdir()  # fails where something is in it
    with contextlib.suppress(OSError):
        entry.parent.rmdir()


def _remove_finished_pull(entry: Path) -> None:
    """Removes what a pull has left whose dataset has changed since the pull began: it was published. Its lock must be free."""
    if _is_finished(entry, owner_of(entry)):
        with locked_if_free(lock_file(owner_of(entry))) as free:
            if free and _is_finished(entry, owner_of(entry)):
                discard(entry)


def _is_finished(work: Path, folder: Path) -> bool:
    try:
        about = json.loads(read_regular_file(work / ABOUT_WORK, _LARGEST))
        new_id = about["new_id"]
        return bool(about["metadata"] != _metadata_hash(folder) or (new_id and os.path.lexists(datasets_root() / new_id)))
    except (OSError, ValueError, KeyError, TypeError):
        return True


def _metadata_hash(folder: Path) -> str | None:
    """The hash of a dataset's metadata; None where there is no dataset, and "" where they cannot be read."""
    try:
        return hashlib.sha256(read_regular_file(folder / "data" / METADATA_FILE_NAME, METADATA_BYTES)).hexdigest()
    except FileNotFoundError:
        return None
    except OSError:  # such as a FIFO in their place
        return ""


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
