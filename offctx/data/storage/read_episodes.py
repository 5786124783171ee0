"""Reading episodes from an open HDF5 file. Each is verified by its own checksums, the links in its group before it is read.

Dimensions: E episodes of the whole dataset, k chosen ones, R rows of `offctx.data.episodes.Episodes`, p context.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from h5py import h5g

from offctx.data.episodes import Episodes, check_episodes
from offctx.data.storage.episode_checksums import verify_checksums, verify_reset
from offctx.data.storage.hdf5 import READ, first_context, opened, read_group_infos, read_groups, reset_context
from offctx.data.storage.ids import dataset_folder
from offctx.data.storage.limits import Budget, size_of
from offctx.data.storage.own_files import check_links, own_group, own_groups_at
from offctx.data.storage.stored import StoredDataset, StoredHeader, StoredTransitions
from offctx.data.storage.verify import verify_shapes, verify_types
from offctx.data.transitions import BLOCK_BYTES, cut
from offctx.envs.base import Array
from offctx.errors import DatasetError


def read_blocks(
    file: Any,
    header: StoredHeader,
    numbers: Array,
    budget: Callable[[], Budget],
    *,
    links: bool = True,
    places: Array | None = None,
) -> Iterator[Episodes]:
    """Reads episodes of an open HDF5 file, some at a time, as `read_numbers` does.

    Args:
        file: as `opened` gives it.
        header: of the dataset.
        numbers: of the episodes (k,).
        budget: makes that of a block.
        links: as in `read_numbers`.
        places: as in `read_numbers`.
    """
    begin, step = 0, 1
    while begin < len(numbers):
        some = numbers[begin : begin + step]
        at = None if places is None else places[begin : begin + step]
        episodes = read_numbers(file, some, header, budget(), links=links, places=at)
        yield episodes
        begin += len(some)
        size = sum(array.nbytes for array in episodes.arrays().values()) / len(some)
        step = max(1, min(int(BLOCK_BYTES / max(size, 1)), 2 * step))


def read_numbers(
    file: Any,
    numbers: Array,
    header: StoredHeader,
    budget: Budget,
    *,
    links: bool = True,
    places: Array | None = None,
    required: bool = False,
) -> Episodes:
    """Reads some episodes of an open HDF5 file, and verifies them.

    Args:
        file: as `opened` gives it.
        numbers: of the episodes (k,).
        header: of their dataset.
        budget: of memory.
        links: check the links in the groups of the episodes; False where those of the whole file have been checked.
        places: of the groups in the file (k,), where these are known and the index of their names is not to be read.
        required: refuse episodes of an offctx dataset that have no checksums.

    Raises:
        DatasetError: they are damaged, inconsistent or outside the layout.
    """
    if places is None:
        groups = [own_group(file, b"episode_%d" % e, header.dataset_id, inside=links) for e in numbers.tolist()]
    else:
        groups = own_groups_at(file, places.tolist(), header.dataset_id)
    episodes = read_groups(groups, header.dataset_id, budget)
    if header.metadata is not None:  # plain Minari data have no checksums, and what others have added is not ours to refuse
        verify_checksums(groups, episodes, numbers, header.dataset_id, required=required)
    stored = StoredDataset(**vars(header), episodes=episodes)
    verify_types(stored)
    verify_shapes(stored)
    check_episodes(episodes, header.dataset_id, numbers)
    return episodes


def read_contexts(file: Any, count: int, dataset_id: str) -> Array | None:
    """The context of each episode (E, p) as its reset or row 0 of its infos have it; None where one has none."""
    rows: list[Array] = []
    for e in range(count):
        name = b"episode_%d" % e
        group = own_group(file, name, dataset_id, inside=False)
        row = reset_context(group)
        if row is None:
            row = first_context(own_group(file, name, dataset_id))
        else:
            verify_reset(group, row, e, dataset_id)
        if row is None or (rows and row.shape != rows[0].shape):
            return None
        rows.append(row)
    if not rows:
        raise DatasetError(f"{dataset_id} holds no episode")
    return np.array(rows)


def read_infos(stored: StoredTransitions, names: Sequence[str]) -> Iterator[tuple[Array, dict[str, Array]]]:
    """Reads infos that the layout does not name from a whole dataset in HDF5, some episodes at a time.

    Yields:
        The lengths of the next episodes (k,), and those of `names` that all of these have, end to end (R, ...).
    """
    data, lengths = dataset_folder(stored.dataset_id) / "data", stored.transitions.lengths
    with opened(data, stored.raw, stored.dataset_id) as file:
        check_links(file, stored.dataset_id, READ)
        for begin, end in cut(lengths, stored.transitions.step_bytes):
            groups = [h5g.open(file, b"episode_%d" % e) for e in range(begin, end)]
            budget = Budget(None, size_of(data))
            yield lengths[begin:end], read_group_infos(groups, names, lengths[begin:end], stored.dataset_id, budget)
