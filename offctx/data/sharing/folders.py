"""A dataset's folder on this disk as a list of files with hashes."""

import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from offctx.data.sharing.manifest import METADATA_PATH, SharedFile, content_hash
from offctx.data.sharing.names import FOLDER, check_names
from offctx.data.storage.block_hashes import block_size_of, hash_blocks, hash_of_blocks
from offctx.data.storage.ids import dataset_folder, datasets_root
from offctx.data.storage.read import read_metadata
from offctx.errors import DatasetError

Stamps = dict[str, tuple[int, int, int]]


def dataset_stamps(folder: Path, dataset_id: str) -> Stamps:
    """Returns the files of a dataset: from relative paths to size, time of change and inode.

    Raises:
        DatasetError: there is no dataset, or its folder holds something else than plain files and folders.
    """
    if not (folder / FOLDER).is_dir():
        raise DatasetError(f"no dataset {dataset_id!r} in {datasets_root()}; `offctx list datasets` shows what is there")
    stamps: Stamps = {}
    todo = [folder / FOLDER]
    try:
        while todo:
            for entry in sorted(os.scandir(todo.pop()), key=lambda entry: entry.name):
                about = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(about.st_mode):
                    todo.append(Path(entry.path))
                elif stat.S_ISREG(about.st_mode):
                    stamps[Path(entry.path).relative_to(folder).as_posix()] = (about.st_size, about.st_mtime_ns, about.st_ino)
                else:
                    raise DatasetError(f"{dataset_id}: {entry.path} is neither a file nor a folder; a dataset is its own files")
    except OSError as error:
        raise DatasetError(f"{dataset_id}: cannot read its folder: {error}") from error
    check_names(stamps, dataset_id)
    return stamps


def hash_files(
    folder: Path,
    stamps: Stamps,
    dataset_id: str,
    done: Callable[[int], object] = lambda count: None,
    copies: Mapping[str, Path] | None = None,
) -> list[SharedFile]:
    """Hashes the files of a dataset.

    Args:
        folder: of the dataset.
        stamps: its files.
        dataset_id: of the dataset.
        done: called with numbers of bytes as they are hashed, from any thread.
        copies: from paths of files to where a copy of what is hashed is written; not all files need one.

    Raises:
        DatasetError: a file cannot be read or copied, or changed meanwhile.
    """
    files = []
    try:
        for path, (size, _, _) in sorted(stamps.items()):
            blocks = hash_blocks(folder / path, size, done=done, copy=(copies or {}).get(path))
            files.append(
                SharedFile(path=path, size=size, block_size=block_size_of(size), sha256=hash_of_blocks(blocks), blocks=blocks)
            )
    except OSError as error:
        raise DatasetError(f"{dataset_id}: cannot read its files{' or copy them' if copies else ''}: {error}") from error
    check_unchanged(folder, stamps, dataset_id)
    return files


def check_unchanged(folder: Path, stamps: Stamps, dataset_id: str) -> None:
    """Raises DatasetError where the files of a dataset are no longer those of the stamps."""
    if dataset_stamps(folder, dataset_id) != stamps:
        raise DatasetError(f"{dataset_id} changed while it was read: try again")


def dataset_hash(dataset_id: str) -> str:
    """Returns the content hash of a dataset on this disk: SHA-256 over all of its files, as `push` prints it.

    Raises:
        DatasetError: there is no such dataset, or it cannot be read.
    """
    folder = dataset_folder(dataset_id)
    return content_hash(hash_files(folder, dataset_stamps(folder, dataset_id), dataset_id))


def read_raw_metadata(folder: Path, dataset_id: str) -> dict[str, Any]:
    """Returns metadata.json of a dataset's folder.

    Raises:
        DatasetError: it is not that of a Minari dataset with this id.
    """
    raw = read_metadata(folder / FOLDER, dataset_id)
    if raw.get("dataset_id") != dataset_id:
        raise DatasetError(f"{dataset_id}: {METADATA_PATH} is of another dataset, {str(raw.get('dataset_id'))[:100]!r}")
    return raw
