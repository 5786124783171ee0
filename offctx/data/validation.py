"""Validation: everything that loading checks, and what a careful publisher wants to know beside it."""

from typing import Any

import numpy as np
from gymnasium import spaces

from offctx.data.dataset import ContextualDataset
from offctx.data.layout import DERROR, DNEXT, DREWARD
from offctx.data.load import from_stored
from offctx.data.storage.storage import Stored, read_dataset
from offctx.errors import DatasetError


def validate_dataset(dataset_id: str) -> ContextualDataset:
    """Read a dataset past its flat copy and check layout, alignment, finiteness, contexts, checksum, types and ranges.

    Raises:
        DatasetError, ContextError: the first fault.
    """
    stored = read_dataset(dataset_id, cache=False)
    dataset = from_stored(stored)
    _check_elements(stored, "observations", stored.observation_space)
    _check_elements(stored, "actions", stored.action_space)
    _check_ends(stored)
    _check_claims(stored)
    _check_flagged(dataset)
    return dataset


def _check_elements(stored: Stored, name: str, space: Any) -> None:
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


def _check_ends(stored: Stored) -> None:
    episodes = stored.episodes
    over = (episodes.terminations | episodes.truncations)[episodes.step_ends - 1]
    if not over.all():
        episode = np.flatnonzero(~over)[0]
        raise DatasetError(f"{stored.dataset_id}: episode {episode} ends neither terminated nor truncated")


def _check_claims(stored: Stored) -> None:
    """The metadata speak of derivatives just where there are some."""
    if stored.metadata is None:
        return
    found = {DNEXT, DREWARD} <= set(stored.episodes.infos)
    if found != (stored.metadata.derivatives is not None):
        raise DatasetError(
            f"{stored.dataset_id}: metadata say derivatives are {'there' if stored.metadata.derivatives else 'not there'}; "
            f"the infos hold {sorted(stored.episodes.infos)}"
        )


def _check_flagged(dataset: ContextualDataset) -> None:
    """The metadata count as many flagged derivatives as there are."""
    claim = dataset.metadata.derivatives if dataset.metadata else None
    if claim is None or claim.flagged is None:
        return
    if dataset.derivative_errors is None:
        raise DatasetError(f"{dataset.dataset_id}: metadata count flagged derivatives; there are no infos/{DERROR}")
    found = int((dataset.derivative_errors > (claim.tolerance or 0.0)).sum())
    if found != claim.flagged:
        raise DatasetError(f"{dataset.dataset_id}: metadata say {claim.flagged} derivatives are flagged; {found} are")
