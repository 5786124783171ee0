"""Copying a dataset with more infos. The files are copied, not written again, so that the other contents do not change.

Episodes are written, and read again, some at a time.
"""

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
from offctx.data.storage.hdf5 import MAIN_FILE, READ, opened
from offctx.data.storage.ids import dataset_folder
from offctx.data.storage.interrupts import dropped_interrupts
from offctx.data.storage.limits import Budget, size_of
from offctx.data.storage.own_files import check_links
from offctx.data.storage.read import header_of, read_metadata
from offctx.data.storage.read_episodes import read_blocks
from offctx.data.storage.room import check_room
from offctx.data.storage.stored import StoredHeader
from offctx.data.storage.writer import write_metadata
from offctx.data.transitions import Transitions
from offctx.envs.base import Array
from offctx.errors import DatasetError


def copy_with_infos(
    stored: StoredHeader,
    target: Path,
    transitions: Transitions,
    names: Sequence[str],
    metadata_changes: dict[str, Any],
    *,
    without: Sequence[str] = (),
    progress: bool = False,
) -> None:
    """Copies a dataset's folder, then sets infos of its episodes and keys of its metadata.

    Args:
        stored: the dataset, in HDF5.
        target: a folder that does not exist yet.
        transitions: what the copy will hold.
        names: of the infos among it that are new; they replace infos of the same name.
        metadata_changes: keys of metadata.json and their new values.
        without: names of infos that are deleted.
        progress: show a progress bar.

    Raises:
        DatasetError: the copy cannot be written; the dataset is as it was.
    """
    data = target / "data"
    try:
        source = dataset_folder(stored.dataset_id)
        check_room(target.parent, size_of(source) + sum(transitions.by_step[f"infos/{name}"].nbytes for name in names))
        _copy_files(source, target)
        _set_infos(data / MAIN_FILE, transitions, names, without, progress)
        write_metadata(data, stored.raw | metadata_changes)
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise DatasetError(f"{stored.dataset_id} cannot be copied to add infos, and is as it was: {error}") from error


def check_copy(folder: Path, dataset_id: str, expected: Transitions) -> StoredHeader:
    """Reads a copy back, verifies it as a load does, and compares it with what it must hold.

    Args:
        folder: of the copy.
        dataset_id: of the dataset that it will be.
        expected: its transitions.

    Returns:
        What its metadata say.

    Raises:
        DatasetError: it holds something else, or numbers that are not finite in float32.
    """
    data, count = folder / "data", len(expected.lengths)
    raw = read_metadata(data, dataset_id)
    header, budget, begin = header_of(raw, dataset_id), Budget(None, size_of(data)).limit, 0
    with opened(data, raw, dataset_id) as file:
        check_links(file, dataset_id, READ)
        for episodes in read_blocks(file, header, np.arange(count), lambda: Budget(budget, 0), links=False):
            numbers = np.arange(begin, begin + len(episodes.lengths))
            written, expected_arrays = episodes.arrays(), expected.take(numbers).to_episodes().arrays()
            if not all(name in written and np.array_equal(written[name], rows) for name, rows in expected_arrays.items()):
                raise DatasetError(f"what is written to {folder} is not what is read there: is the disk damaged?")
            begin += len(numbers)
            expected.release()
    return header


def _copy_files(source: Path, target: Path) -> None:
    """Copies a folder, without the modes of its files. Errors keep their numbers, which shutil.copytree's lack."""
    target.mkdir(parents=True)
    for path in sorted(source.rglob("*")):
        copied = target / path.relative_to(source)
        if path.is_dir():
            copied.mkdir()
        else:
            shutil.copyfile(path, copied)


def _set_infos(path: Path, transitions: Transitions, names: Sequence[str], without: Sequence[str], progress: bool) -> None:
    raw = CheckedFile(path, create=False)
    try:
        file = raw.open_hdf5()
        try:
            mark_layout(file)
            with tqdm(total=len(transitions.lengths), desc="writing", disable=not progress, unit="episode") as bar:
                first = 0
                for block in transitions.blocks():
                    infos = {name: block.array(f"infos/{name}") for name in names}
                    _write_infos(file, raw, first, block.lengths, infos, without)
                    first += len(block.lengths)
                    bar.update(len(block.lengths))
        finally:
            file.close()
        raw.sync()
    finally:
        raw.close()


def _write_infos(
    file: h5f.FileID, raw: CheckedFile, first: int, lengths: Array, infos: dict[str, Array], without: Sequence[str]
) -> None:
    """Writes infos (R, ...) of episodes with some lengths (k,), of which `first` is the number of the first."""
    starts = np.concatenate([[0], np.cumsum(lengths + 1)])
    with dropped_interrupts() as interrupted:
        for e in range(len(lengths)):
            episode = h5g.open(file, b"episode_%d" % (first + e))
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
