"""Reading a dataset, or some of its episodes, one row a transition: what is not asked for is not read.

Where there is a valid flat copy, its blocks are checked on first touch. Otherwise episodes are read from the HDF5 file, each
verified by its own checksums; the links in a group are checked before it is read. Other formats are read whole.

Dimensions: E episodes of the whole dataset, p context.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from h5py import h5g

from offctx.data.storage.array_files import ArrayFiles, MixedTypesError
from offctx.data.storage.blocks import Damaged
from offctx.data.storage.episode_checksums import has_checksums
from offctx.data.storage.flat_copy import FlatCopy, FlatTransitions
from offctx.data.storage.hdf5 import READ, has_seeds, opened
from offctx.data.storage.limits import Budget, check_limit, size_of
from offctx.data.storage.own_files import check_links, own_group
from offctx.data.storage.read import header_of, read_and_verify, read_metadata, unreplaced
from offctx.data.storage.read_episodes import read_blocks, read_contexts, read_numbers
from offctx.data.storage.stored import StoredHeader, StoredTransitions
from offctx.data.storage.verify import changed_data
from offctx.data.transitions import Transitions
from offctx.envs.base import Array
from offctx.errors import DatasetError

RecordedContexts = Callable[[], Array | None]
Choose = Callable[[StoredHeader, int, RecordedContexts], Array]
"""From a header, the number of episodes E, and a function that reads all contexts (E, p), to numbers of episodes, ascending."""


def read_transitions(
    dataset_id: str,
    choose: Choose | None = None,
    *,
    cache: bool = True,
    max_bytes: int | None = None,
    fits: Callable[[int], bool] | None = None,
) -> StoredTransitions:
    """Reads a dataset, or a part of it.

    Args:
        dataset_id: Minari id.
        choose: the episodes to read; None for all.
        cache: read the flat copy where it is valid; write it where it is not and all is read.
        max_bytes: as in `read_dataset`.
        fits: from the bytes of the chosen transitions to whether they fit into memory: those that do not are mapped from the
            flat copy, which is made with the memory of a block. Where not given, all fit.

    Returns:
        The transitions, verified. A part that is read from an HDF5 file is verified by the checksums of its episodes. Where
        these have none, as in layout version 1, all of the dataset is read and verified; plain Minari data have no checksum.

    Raises:
        DatasetError: as `read_dataset`; or that of `choose`.
    """
    if fits is not None:
        return unreplaced(dataset_id, lambda data: _read_or_map(data, dataset_id, choose, cache, max_bytes, fits))
    return unreplaced(dataset_id, lambda data: _read(data, dataset_id, choose, cache, max_bytes))


def map_transitions(dataset_id: str, *, anew: bool = False) -> StoredTransitions:
    """Maps a whole dataset in HDF5 from its flat copy, so that who goes through it takes the memory of a block.

    A dataset whose episodes have arrays of different types cannot be mapped, and is read into memory.

    Args:
        dataset_id: Minari id.
        anew: read and verify the dataset's own files, and make the flat copy from them, also where there is a valid one.

    Raises:
        DatasetError: as `read_transitions`; or the dataset is in another format than HDF5.
    """

    def read(data: Path) -> StoredTransitions:
        data_format = read_metadata(data, dataset_id).get("data_format")
        if data_format != "hdf5":
            raise DatasetError(
                f"{dataset_id} is stored as {data_format!r}; this needs a dataset in hdf5: record it in that format"
            )
        return _read_or_map(data, dataset_id, None, True, None, lambda size: False, anew)

    try:
        return unreplaced(dataset_id, read)
    except MixedTypesError:
        return read_transitions(dataset_id, cache=False)


def _read_or_map(
    data: Path,
    dataset_id: str,
    choose: Choose | None,
    cache: bool,
    max_bytes: int | None,
    fits: Callable[[int], bool],
    anew: bool = False,
) -> StoredTransitions:
    raw = read_metadata(data, dataset_id)
    header = header_of(raw, dataset_id)
    if not cache or raw.get("data_format") != "hdf5":
        raise DatasetError(
            f"{dataset_id}: arrays are mapped from the flat copy of a dataset in HDF5: expected cache=True and such a dataset; "
            f"found cache={cache} and one in {raw.get('data_format')!r}"
        )
    flat = None if anew else FlatCopy(data).open()
    for _ in range(2):
        if flat is None:
            stream_flat_copy(data, header, max_bytes)
            flat = FlatCopy(data).open()
        if flat is not None:
            try:
                return _from_flat_copy(header, flat, choose, max_bytes, fits)
            except (Damaged, OSError):
                flat = None
    raise DatasetError(f"{dataset_id}: its flat copy changes while it is read: call this again")


def _read(data: Path, dataset_id: str, choose: Choose | None, cache: bool, max_bytes: int | None) -> StoredTransitions:
    raw = read_metadata(data, dataset_id)
    header = header_of(raw, dataset_id)
    flat_copy = FlatCopy(data) if cache and raw.get("data_format") == "hdf5" else None
    flat = flat_copy.open() if flat_copy else None
    if flat is not None:
        try:
            return _from_flat_copy(header, flat, choose, max_bytes)
        except (Damaged, OSError):
            pass
    if choose is not None and raw.get("data_format") == "hdf5":
        part = _from_hdf5(data, header, choose, max_bytes)
        if part is not None:
            return part
    transitions = Transitions.of(read_and_verify(data, dataset_id, raw, max_bytes).episodes)
    check_limit(sum(array.nbytes for array in transitions.by_step.values()), max_bytes, dataset_id)
    if flat_copy:
        flat_copy.save(transitions)
    recorded = transitions.by_episode.get("rest/context", transitions.by_episode.get("options_context"))
    count = len(transitions.lengths)
    numbers = None if choose is None else _unless_all(choose(header, count, lambda: recorded), count)
    return _stored(header, transitions if numbers is None else transitions.take(numbers), numbers, count)


def _from_flat_copy(
    header: StoredHeader,
    flat: FlatTransitions,
    choose: Choose | None,
    max_bytes: int | None,
    fits: Callable[[int], bool] | None = None,
) -> StoredTransitions:
    count = len(flat.lengths)
    numbers = None if choose is None else _unless_all(choose(header, count, flat.contexts), count)
    size = flat.step_bytes * int(flat.lengths.sum() if numbers is None else flat.lengths[numbers].sum())
    check_limit(size, max_bytes, header.dataset_id)
    mapped = fits is not None and not fits(size)
    return _stored(header, flat.read(numbers, mapped=mapped), numbers, count, mapped)


def _from_hdf5(data: Path, header: StoredHeader, choose: Choose, max_bytes: int | None) -> StoredTransitions | None:
    """A part of an HDF5 file; None where that is all of it, or can be verified only with all of it."""
    with opened(data, header.raw, header.dataset_id) as file:
        count = int(header.raw["total_episodes"])
        if header.metadata is not None and not has_checksums(own_group(file, b"episode_0", header.dataset_id, inside=False)):
            return None
        numbers = _unless_all(choose(header, count, lambda: read_contexts(file, count, header.dataset_id)), count)
        if numbers is None:
            return None
        episodes = read_numbers(file, numbers, header, Budget(max_bytes, size_of(data)), required=True)
    return _stored(header, Transitions.of(episodes), numbers, count)


def _unless_all(numbers: Array, count: int) -> Array | None:
    """Numbers of episodes; None where they are all."""
    return None if len(numbers) == count else numbers


def _stored(
    header: StoredHeader, transitions: Transitions, numbers: Array | None, total: int, mapped: bool = False
) -> StoredTransitions:
    return StoredTransitions(**vars(header), transitions=transitions, numbers=numbers, total=total, mapped=mapped)


def stream_flat_copy(data: Path, header: StoredHeader, max_bytes: int | None) -> None:
    """Makes the flat copy of a dataset in HDF5 with the memory of a block, and verifies the dataset as `read_dataset` does.

    Raises:
        DatasetError: the dataset is damaged, its episodes have arrays of different types, the disk is too full, or the arrays
            take more than `max_bytes`, or without it 200 times the size of the files.
    """
    flat_copy, dataset_id = FlatCopy(data), header.dataset_id
    budget = Budget(max_bytes, size_of(data), in_memory=False)
    try:
        with flat_copy.replacing() as folder, opened(data, header.raw, dataset_id) as file:
            check_links(file, dataset_id, READ)
            count, steps = int(header.raw["total_episodes"]), int(header.raw["total_steps"])
            seeds = header.metadata is not None or has_seeds(h5g.open(file, b"episode_%d" % e) for e in range(count))
            with ArrayFiles(folder, {True: steps, False: count}, dataset_id, budget) as files:
                block = Budget(max_bytes, size_of(data)).limit
                for episodes in read_blocks(file, header, np.arange(count), lambda: Budget(block, 0), links=False):
                    files.append(Transitions.of(episodes if seeds else replace(episodes, seeds=None)))
            transitions = files.mapped()
            if header.metadata is not None and transitions.checksum() != header.metadata.sha256:
                raise DatasetError(changed_data(header))
            flat_copy.seal(folder, files.names)
    except OSError as error:
        raise DatasetError(f"the flat copy of {dataset_id} cannot be written: {error}") from error
