"""Copying a dataset with more infos. The files are copied, not written again, so that the other contents do not change."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from h5py import h5f, h5g
from tqdm.auto import tqdm

from offctx.data.storage.checked_file import CheckedFile
from offctx.data.storage.episode_checksums import change_checksums
from offctx.data.storage.episode_file import array_properties, mark_layout, write_array
from offctx.data.storage.hdf5 import MAIN_FILE
from offctx.data.storage.ids import dataset_folder
from offctx.data.storage.interrupts import dropped_interrupts
from offctx.data.storage.room import check_room
from offctx.data.storage.stored import StoredDataset
from offctx.data.storage.writer import write_metadata
from offctx.envs.base import Array
from offctx.errors import DatasetError


def copy_with_infos(
    stored: StoredDataset,
    target: Path,
    infos: dict[str, Array],
    metadata_changes: dict[str, Any],
    *,
    without: Sequence[str] = (),
    progress: bool = False,
) -> None:
    """Copies a dataset's folder, then sets infos of its episodes and keys of its metadata.

    Args:
        stored: the dataset, in HDF5.
        target: a folder that does not exist yet.
        infos: from names to arrays (R, ...), end to end; they replace infos of the same name.
        metadata_changes: keys of metadata.json and their new values.
        without: names of infos that are deleted.
        progress: show a progress bar.

    Raises:
        DatasetError: the copy cannot be written; the dataset is as it was.
    """
    data = target / "data"
    try:
        check_room(target.parent, sum(array.nbytes for array in infos.values()))
        shutil.copytree(dataset_folder(stored.dataset_id), target, copy_function=shutil.copyfile)  # not the files' modes
        _set_infos(data / MAIN_FILE, stored, infos, without, progress)
        write_metadata(data, stored.raw | metadata_changes)
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise DatasetError(f"{stored.dataset_id} cannot be copied to add infos, and is as it was: {error}") from error


def _set_infos(path: Path, stored: StoredDataset, infos: dict[str, Array], without: Sequence[str], progress: bool) -> None:
    raw = CheckedFile(path, create=False)
    try:
        file = raw.open_hdf5()
        try:
            mark_layout(file)
            _write_infos(file, raw, stored, infos, without, progress)
        finally:
            file.close()
        raw.sync()
    finally:
        raw.close()


def _write_infos(
    file: h5f.FileID,
    raw: CheckedFile,
    stored: StoredDataset,
    infos: dict[str, Array],
    without: Sequence[str],
    progress: bool,
) -> None:
    starts = np.concatenate([[0], stored.episodes.row_ends])
    with dropped_interrupts() as interrupted:
        for e in tqdm(range(len(stored.episodes.lengths)), "writing", disable=not progress, unit="episode"):
            episode = h5g.open(file, b"episode_%d" % e)
            group = h5g.open(episode, b"infos") if b"infos" in episode else h5g.create(episode, b"infos")
            for name in (*without, *infos):
                if name.encode() in group:
                    group.unlink(name.encode())
            arrays = {name: array[starts[e] : starts[e + 1]] for name, array in infos.items()}
            for name, array in arrays.items():
                write_array(group, name, array, array_properties())
            changed = dict.fromkeys(without) | arrays
            change_checksums(episode, {f"infos/{name}": array for name, array in changed.items()})
            raw.check()
            if interrupted:
                raise KeyboardInterrupt
