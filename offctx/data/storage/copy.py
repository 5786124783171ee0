"""Copying a dataset with more infos. The files are copied, not written again, so that the other contents do not change."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from minari.dataset.minari_storage import METADATA_FILE_NAME
from tqdm.auto import tqdm

from offctx.data.storage.hdf5 import MAIN_FILE
from offctx.data.storage.ids import dataset_folder
from offctx.data.storage.interrupts import dropped_interrupts
from offctx.data.storage.stored import StoredDataset
from offctx.envs.base import Array
from offctx.errors import DatasetError
from offctx.files import sync_to_disk


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
        shutil.copytree(dataset_folder(stored.dataset_id), target, copy_function=shutil.copyfile)  # not the files' modes
        _set_infos(data / MAIN_FILE, stored, infos, without, progress)
        size = sum(file.stat().st_size for file in data.rglob("*") if file.is_file())
        raw = stored.raw | {"dataset_size": round(size / 1e6, 1)} | metadata_changes
        (data / METADATA_FILE_NAME).write_text(json.dumps(raw))
        for name in (MAIN_FILE, METADATA_FILE_NAME):
            sync_to_disk(data / name)
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise DatasetError(f"{stored.dataset_id} cannot be copied to add infos, and is as it was: {error}") from error


def _set_infos(path: Path, stored: StoredDataset, infos: dict[str, Array], without: Sequence[str], progress: bool) -> None:
    starts = np.concatenate([[0], stored.episodes.row_ends])
    with dropped_interrupts() as interrupted, h5py.File(path, "r+") as file:
        for e in tqdm(range(len(stored.episodes.lengths)), "writing", disable=not progress, unit="episode"):
            group = file[f"episode_{e}"].require_group("infos")
            for key in (*without, *infos):
                if key in group:
                    del group[key]
            for key, array in infos.items():
                rows = array[starts[e] : starts[e + 1]]
                group.create_dataset(key, data=rows, chunks=True, maxshape=(None, *rows.shape[1:]))
            if interrupted:
                raise KeyboardInterrupt
