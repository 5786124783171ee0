"""Validation: everything that loading checks, and further checks before a dataset is published, block by block."""

from typing import Any

import numpy as np
from gymnasium import spaces

from offctx.data.arrange import arranged, space_of
from offctx.data.dataset import ContextualDataset
from offctx.data.layout import DERROR, DNEXT, DREWARD, INFOS
from offctx.data.storage.ids import dataset_folder
from offctx.data.storage.limits import size_of
from offctx.data.storage.read import read_dataset
from offctx.data.storage.read_part import map_transitions
from offctx.data.storage.stored import StoredHeader, StoredTransitions
from offctx.data.storage.writer import dataset_megabytes
from offctx.envs.base import Array
from offctx.errors import DatasetError

_IN_MEMORY = 128 << 20  # bytes of a dataset's files; of a larger one, a block is in memory at a time


def validate_dataset(dataset_id: str) -> ContextualDataset:
    """Reads a dataset without its flat copy and checks everything that can be checked without simulating.

    Beyond what `load_dataset` checks: types and ranges of observations and actions, ends of episodes, and what the metadata
    say of derivatives. Of a large dataset, the flat copy is made anew from its files, and its arrays are mapped.

    Args:
        dataset_id: Minari id, below MINARI_DATASETS_PATH.

    Returns:
        The dataset, as `load_dataset` returns it; lazy where it is large.

    Raises:
        DatasetError, ContextError: the first fault.
    """
    stored = _read(dataset_id)
    _check_id_and_size(stored)
    dataset = arranged(stored, space_of(stored, None, stored.total))
    _check_elements(stored, "observations", stored.observation_space)
    _check_elements(stored, "actions", stored.action_space)
    _check_ends(stored)
    _check_derivatives_described(stored)
    _check_flagged(dataset)
    return dataset


def _read(dataset_id: str) -> StoredTransitions:
    """Reads and verifies the dataset's own files; a large dataset is then mapped, where its flat copy can be made."""
    if size_of(dataset_folder(dataset_id)) > _IN_MEMORY:
        try:
            return map_transitions(dataset_id, anew=True)
        except DatasetError:
            pass  # no room for the copy; or the dataset is damaged, and is refused by what comes now
    return StoredTransitions.of(read_dataset(dataset_id, cache=False))


def _check_id_and_size(stored: StoredHeader) -> None:
    """What the checksum of layout version 2 leaves out: the id, and the size of the files in megabytes."""
    if stored.metadata is None or stored.metadata.layout_version == 1:
        return
    if stored.raw.get("dataset_id") != stored.dataset_id:
        raise DatasetError(f"{stored.dataset_id}: metadata say dataset_id {stored.raw.get('dataset_id')!r}")
    megabytes, size = stored.raw.get("dataset_size"), dataset_megabytes(dataset_folder(stored.dataset_id) / "data")
    if not isinstance(megabytes, (int, float)) or not abs(megabytes - size) < 0.11:  # Minari counts metadata.json as well
        raise DatasetError(f"{stored.dataset_id}: metadata say dataset_size {megabytes!r} MB; its files have {size} MB")


def _check_elements(stored: StoredTransitions, name: str, space: Any) -> None:
    """Every row is an element of its space, in its type."""
    first = 0
    for block in stored.transitions.blocks():
        rows = block.array(name)
        _check_rows(rows, first, stored.dataset_id, name, space)
        first += len(rows)


def _check_rows(rows: Array, first: int, dataset_id: str, name: str, space: Any) -> None:
    if isinstance(space, spaces.Discrete):
        outside = (rows < space.start) | (rows >= space.start + space.n)
    else:
        if rows.dtype != space.dtype:
            raise DatasetError(f"{dataset_id}: {name} are {rows.dtype}; their space says {space.dtype}")
        outside = ((rows < space.low) | (rows > space.high)).any(axis=1)
    if outside.any():
        row = np.flatnonzero(outside)[0]
        raise DatasetError(f"{dataset_id}: {name} row {first + row} is {rows[row]}, outside {space}")


def _check_ends(stored: StoredTransitions) -> None:
    """The last step of every episode terminates or truncates it."""
    steps, last = stored.transitions.by_step, stored.transitions.ends - 1
    ended = steps["terminations"][last].astype(bool) | steps["truncations"][last].astype(bool)
    if not ended.all():
        episode = np.flatnonzero(~ended)[0]
        raise DatasetError(f"{stored.dataset_id}: episode {episode} ends neither terminated nor truncated")


def _check_derivatives_described(stored: StoredTransitions) -> None:
    """The metadata describe derivatives where the data have them, and only there."""
    if stored.metadata is None:
        return
    infos = [name for name in INFOS if stored.transitions.info(name) is not None]
    present = {DNEXT, DREWARD} <= set(infos)
    if present != (stored.metadata.derivatives is not None):
        raise DatasetError(
            f"{stored.dataset_id}: metadata say derivatives are {'there' if stored.metadata.derivatives else 'not there'}; "
            f"the infos hold {sorted(infos)}"
        )


def _check_flagged(dataset: ContextualDataset) -> None:
    """The metadata count as many flagged derivatives as the data have."""
    described = dataset.metadata.derivatives if dataset.metadata else None
    if described is None or described.flagged is None:
        return
    if dataset.derivative_errors is None:
        raise DatasetError(f"{dataset.dataset_id}: metadata count flagged derivatives; there are no infos/{DERROR}")
    flagged = int((dataset.derivative_errors > (described.tolerance or 0.0)).sum())
    if flagged != described.flagged:
        raise DatasetError(f"{dataset.dataset_id}: metadata say {described.flagged} derivatives are flagged; {flagged} are")
