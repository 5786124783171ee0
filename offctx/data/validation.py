"""Validation: everything that loading checks, and further checks before a dataset is published."""

from typing import Any

import numpy as np
from gymnasium import spaces

from offctx.data.dataset import ContextualDataset
from offctx.data.layout import DERROR, DNEXT, DREWARD
from offctx.data.load import to_contextual_dataset
from offctx.data.storage.ids import dataset_folder
from offctx.data.storage.read import read_dataset
from offctx.data.storage.stored import StoredDataset
from offctx.data.storage.writer import dataset_megabytes
from offctx.errors import DatasetError


def validate_dataset(dataset_id: str) -> ContextualDataset:
    """Reads a dataset without its flat copy and checks everything that can be checked without simulating.

    Beyond what `load_dataset` checks: types and ranges of observations and actions, ends of episodes, and what the metadata
    say of derivatives.

    Args:
        dataset_id: Minari id, below MINARI_DATASETS_PATH.

    Returns:
        The dataset, as `load_dataset` returns it.

    Raises:
        DatasetError, ContextError: the first fault.
    """
    stored = read_dataset(dataset_id, cache=False)
    _check_id_and_size(stored)
    dataset = to_contextual_dataset(stored)
    _check_elements(stored, "observations", stored.observation_space)
    _check_elements(stored, "actions", stored.action_space)
    _check_ends(stored)
    _check_derivatives_described(stored)
    _check_flagged(dataset)
    return dataset


def _check_id_and_size(stored: StoredDataset) -> None:
    """What the checksum of layout version 2 leaves out: the id, and the size of the files in megabytes."""
    if stored.metadata is None or stored.metadata.layout_version == 1:
        return
    if stored.raw.get("dataset_id") != stored.dataset_id:
        raise DatasetError(f"{stored.dataset_id}: metadata say dataset_id {stored.raw.get('dataset_id')!r}")
    megabytes, size = stored.raw.get("dataset_size"), dataset_megabytes(dataset_folder(stored.dataset_id) / "data")
    if not isinstance(megabytes, (int, float)) or not abs(megabytes - size) < 0.11:  # Minari counts metadata.json as well
        raise DatasetError(f"{stored.dataset_id}: metadata say dataset_size {megabytes!r} MB; its files have {size} MB")


def _check_elements(stored: StoredDataset, name: str, space: Any) -> None:
    """Every row is an element of its space, in its type."""
    rows = getattr(stored.episodes, name)
    if isinstance(space, spaces.Discrete):
        outside = (rows < space.start) | (rows >= space.start + space.n)
    else:
        if rows.dtype != space.dtype:
            raise DatasetError(f"{stored.dataset_id}: {name} are {rows.dtype}; their space says {space.dtype}")
        outside = ((rows < space.low) | (rows > space.high)).any(axis=1)
    if outside.any():
        row = np.flatnonzero(outside)[0]
        raise DatasetError(f"{stored.dataset_id}: {name} row {row} is {rows[row]}, outside {space}")


def _check_ends(stored: StoredDataset) -> None:
    """The last step of every episode terminates or truncates it."""
    episodes = stored.episodes
    ended = (episodes.terminations | episodes.truncations)[episodes.step_ends - 1]
    if not ended.all():
        episode = np.flatnonzero(~ended)[0]
        raise DatasetError(f"{stored.dataset_id}: episode {episode} ends neither terminated nor truncated")


def _check_derivatives_described(stored: StoredDataset) -> None:
    """The metadata describe derivatives where the data have them, and only there."""
    if stored.metadata is None:
        return
    present = {DNEXT, DREWARD} <= set(stored.episodes.infos)
    if present != (stored.metadata.derivatives is not None):
        raise DatasetError(
            f"{stored.dataset_id}: metadata say derivatives are {'there' if stored.metadata.derivatives else 'not there'}; "
            f"the infos hold {sorted(stored.episodes.infos)}"
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
