"""Reading a dataset, or some of its episodes, one row a transition: what is not asked for is not read.

Where there is a valid flat copy, its blocks are checked on first touch. Otherwise episodes are read from the HDF5 file, each
verified by its own checksums; the links in a group are checked before it is read. Other formats are read whole.

Dimensions: E episodes of the whole dataset, p context.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from offctx.data.episodes import Episodes, check_episodes
from offctx.data.storage.blocks import Damaged
from offctx.data.storage.episode_checksums import verify_checksums
from offctx.data.storage.flat_copy import FlatCopy, FlatTransitions
from offctx.data.storage.hdf5 import first_context, opened, read_groups, reset_context
from offctx.data.storage.limits import Budget, size_of
from offctx.data.storage.own_files import own_group
from offctx.data.storage.read import header_of, read_and_verify, read_metadata, unreplaced
from offctx.data.storage.stored import StoredDataset, StoredHeader, StoredTransitions
from offctx.data.storage.verify import verify_shapes, verify_types
from offctx.data.transitions import Transitions
from offctx.envs.base import Array
from offctx.errors import DatasetError

RecordedContexts = Callable[[], Array | None]
Choose = Callable[[StoredHeader, int, RecordedContexts], Array]
"""From a header, the number of episodes E, and a function that reads all contexts (E, p), to numbers of episodes, ascending."""


def read_transitions(
    dataset_id: str, choose: Choose | None = None, *, cache: bool = True, max_bytes: int | None = None
) -> StoredTransitions:
    """Reads a dataset, or a part of it.

    Args:
        dataset_id: Minari id.
        choose: the episodes to read; None for all.
        cache: read the flat copy where it is valid; write it where it is not and all is read.
        max_bytes: as in `read_dataset`.

    Returns:
        The transitions, verified. A part that is read from an HDF5 file is verified where its episodes have checksums.

    Raises:
        DatasetError: as `read_dataset`; or that of `choose`.
    """
    return unreplaced(dataset_id, lambda data: _read(data, dataset_id, choose, cache, max_bytes))


def _read(data: Path, dataset_id: str, choose: Choose | None, cache: bool, max_bytes: int | None) -> StoredTransitions:
    raw = read_metadata(data, dataset_id)
    header = header_of(raw, dataset_id)
    flat_copy = FlatCopy(data) if cache and raw.get("data_format") == "hdf5" else None
    flat = flat_copy.open() if flat_copy else None
    if flat is not None:
        try:
            return _from_flat_copy(header, flat, choose)
        except (Damaged, OSError):
            pass
    if choose is not None and raw.get("data_format") == "hdf5":
        part = _from_hdf5(data, header, choose, max_bytes)
        if part is not None:
            return part
    transitions = Transitions.of(read_and_verify(data, dataset_id, raw, max_bytes).episodes)
    if flat_copy:
        flat_copy.save(transitions)
    recorded = transitions.by_episode.get("rest/context", transitions.by_episode.get("options_context"))
    count = len(transitions.lengths)
    numbers = None if choose is None else _some(choose(header, count, lambda: recorded), count)
    return _stored(header, transitions if numbers is None else transitions.take(numbers), numbers, count)


def _from_flat_copy(header: StoredHeader, flat: FlatTransitions, choose: Choose | None) -> StoredTransitions:
    count = len(flat.lengths)
    numbers = None if choose is None else _some(choose(header, count, flat.contexts), count)
    return _stored(header, flat.read(numbers), numbers, count)


def _from_hdf5(data: Path, header: StoredHeader, choose: Choose, max_bytes: int | None) -> StoredTransitions | None:
    """A part of an HDF5 file; None where that is all of it."""
    with opened(data, header.raw, header.dataset_id) as file:
        count = int(header.raw["total_episodes"])
        numbers = _some(choose(header, count, lambda: _contexts(file, count, header.dataset_id)), count)
        if numbers is None:
            return None
        episodes = read_numbers(file, numbers, header, Budget(max_bytes, size_of(data)))
    return _stored(header, Transitions.of(episodes), numbers, count)


def _some(numbers: Array, count: int) -> Array | None:
    """Numbers of episodes; None where they are all."""
    return None if len(numbers) == count else numbers


def _stored(header: StoredHeader, transitions: Transitions, numbers: Array | None, total: int) -> StoredTransitions:
    return StoredTransitions(**vars(header), transitions=transitions, numbers=numbers, total=total)


def read_numbers(file: Any, numbers: Array, header: StoredHeader, budget: Budget) -> Episodes:
    """Reads some episodes of an open HDF5 file, and verifies them.

    Args:
        file: as `opened` gives it.
        numbers: of the episodes (k,).
        header: of their dataset.
        budget: of memory.

    Raises:
        DatasetError: they are damaged, inconsistent or outside the layout.
    """
    groups = [own_group(file, b"episode_%d" % e, header.dataset_id) for e in numbers.tolist()]
    episodes = read_groups(groups, header.dataset_id, budget)
    verify_checksums(groups, episodes, numbers, header.dataset_id)
    stored = StoredDataset(**vars(header), episodes=episodes)
    verify_types(stored)
    verify_shapes(stored)
    check_episodes(episodes, header.dataset_id, numbers)
    return episodes


def _contexts(file: Any, count: int, dataset_id: str) -> Array | None:
    """The context of each episode (E, p) as its reset or row 0 of its infos have it; None where one has none."""
    rows: list[Array] = []
    for e in range(count):
        name = b"episode_%d" % e
        row = reset_context(own_group(file, name, dataset_id, inside=False))
        row = first_context(own_group(file, name, dataset_id)) if row is None else row
        if row is None or (rows and row.shape != rows[0].shape):
            return None
        rows.append(row)
    if not rows:
        raise DatasetError(f"{dataset_id} holds no episode")
    return np.array(rows)
