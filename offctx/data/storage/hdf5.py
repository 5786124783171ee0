"""Reading the episodes of Minari's HDF5 files, all in one pass.

By HDF5's own low-level calls: with h5py's high-level ones a dataset of many short episodes is mostly overhead.

Dimensions: E episodes, N transitions, R = N + E rows.
"""

import contextlib
import math
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from h5py import h5a, h5d, h5f, h5g, h5o, h5s

from offctx.data.episodes import STEP_ARRAYS, Episodes
from offctx.data.layout import CONTEXT, INFOS
from offctx.data.metadata import METADATA_KEY
from offctx.data.storage.limits import Budget
from offctx.data.storage.own_files import check_links, check_storage
from offctx.envs.base import Array
from offctx.errors import DatasetError, OffctxError, OffctxWarning

MAIN_FILE = "main_data.hdf5"
READ = frozenset({"observations", *STEP_ARRAYS, *(f"infos/{name}" for name in INFOS)})  # checked when they are read
_OPTIONS = b"options/context"
_SEED = b"seed"
_CACHE = 1 << 20  # bytes
LAYOUT_MARK = b"offctx_layout"  # attribute of the file from layout version 2 on: without the metadata, no checksum is known


@contextlib.contextmanager
def episode_groups(data: Path, raw: dict[str, Any], dataset_id: str) -> Iterator[list[Any]]:
    """Gives the HDF5 group of each episode, of a file all of whose links were checked; otherwise as `opened`."""
    with opened(data, raw, dataset_id) as file:
        check_links(file, dataset_id, READ)
        yield [h5g.open(file, b"episode_%d" % e) for e in range(int(raw["total_episodes"]))]


@contextlib.contextmanager
def opened(data: Path, raw: dict[str, Any], dataset_id: str) -> Iterator[Any]:
    """Gives the open HDF5 file. Whatever fails while it is read is raised as DatasetError.

    Args:
        data: the folder of the file.
        raw: the dataset's metadata.
        dataset_id: for messages.

    Raises:
        DatasetError: the file is missing, truncated, damaged, not one of Minari's, or refers to other files.
    """
    try:
        file = h5f.open(os.fsencode(data / MAIN_FILE), h5f.ACC_RDONLY)
        _keep_little(file)
    except OSError as error:
        raise DatasetError(f"{dataset_id}: cannot open {MAIN_FILE}, which is truncated or foreign: {error}") from error
    try:
        if h5a.exists(file, LAYOUT_MARK) and (METADATA_KEY not in raw or raw[METADATA_KEY].get("layout_version") == 1):
            raise DatasetError(f"{dataset_id}: metadata.json has lost its part {METADATA_KEY!r} of layout version 2")
        yield file
    except OffctxError:
        raise
    except (IndexError, KeyError, OSError, RuntimeError, TypeError, ValueError, OverflowError, MemoryError) as error:
        raise DatasetError(f"{dataset_id}: {MAIN_FILE} is damaged or foreign: {error}") from error


def _keep_little(file: Any) -> None:
    """Makes HDF5 keep little of what it has read of a file's metadata, which say where objects are.

    By itself it keeps up to 32 MB of them, as objects that take ten times as much memory. A reader uses each once: without
    them, going through 10,000 episodes takes a third less time. Where files are written, the order of objects depends on this.
    """
    config = file.get_mdc_config()
    config.set_initial_size, config.initial_size = True, _CACHE
    config.min_size = config.max_size = _CACHE
    config.incr_mode = config.flash_incr_mode = config.decr_mode = 0
    file.set_mdc_config(config)


def read_groups(groups: list[Any], dataset_id: str, budget: Budget) -> Episodes:
    """Reads all episodes.

    Raises:
        DatasetError: there is no episode, one without a step, arrays of different lengths, arrays that are not numbers, or
            more of them than the budget.
    """
    if not groups:
        raise DatasetError(f"{dataset_id} holds no episode")
    lengths = np.array([h5d.open(group, b"rewards").shape[0] for group in groups], dtype=np.int64)
    if (lengths == 0).any():
        raise DatasetError(f"{dataset_id}: episode {np.flatnonzero(lengths == 0)[0]} has no step")

    def read(name: str, counts: Array) -> Array:
        return _read_array(groups, name, counts, dataset_id, budget)

    return Episodes(
        lengths=lengths,
        observations=read("observations", lengths + 1),
        **{name: read(name, lengths) for name in STEP_ARRAYS},
        infos={name: read(f"infos/{name}", lengths + 1) for name in _infos_of_all(groups, INFOS, dataset_id)},
        seeds=_read_seeds(groups, dataset_id),
        options_context=_read_attribute(groups, _OPTIONS, np.float64),
    )


def first_context(group: Any) -> Array | None:
    """The context of an episode (p,), in row 0 of its infos; None where it has none there."""
    if b"infos" not in group or CONTEXT.encode() not in (infos := h5g.open(group, b"infos")):
        return None
    dataset = h5o.open(infos, CONTEXT.encode())
    if not isinstance(dataset, h5d.DatasetID) or len(dataset.shape) != 2 or dataset.shape[0] == 0:
        return None
    row = np.empty((1, dataset.shape[1]), dtype=np.float64)
    chosen = dataset.get_space()
    chosen.select_hyperslab((0, 0), (1, dataset.shape[1]))
    dataset.read(h5s.create_simple(row.shape), chosen, row)
    return np.asarray(row[0])


def reset_context(group: Any) -> Array | None:
    """The context in the options of an episode's reset (p,); None where it has none there."""
    if not h5a.exists(group, _OPTIONS):
        return None
    attribute = h5a.open(group, _OPTIONS)
    value = np.empty(attribute.shape, dtype=np.float64)
    attribute.read(value)
    return value


def read_group_infos(
    groups: list[Any], names: Sequence[str], lengths: Array, dataset_id: str, budget: Budget
) -> dict[str, Array]:
    """Reads those infos in `names` that every episode has, end to end (R, ...); `lengths` (E,) are the episodes'."""
    shared = _infos_of_all(groups, names, dataset_id)
    return {name: _read_array(groups, f"infos/{name}", lengths + 1, dataset_id, budget) for name in shared}


def _read_array(groups: list[Any], name: str, counts: Array, dataset_id: str, budget: Budget) -> Array:
    """One array of every episode, `counts` (E,) rows of each, end to end."""
    key = name.encode()
    first = h5d.open(groups[0], key)
    stored_type, dtype = first.get_type(), _number_type(first, name, dataset_id)
    shape = (int(counts.sum()), *first.shape[1:])
    budget.take(math.prod(shape) * dtype.itemsize, f"{dataset_id}: {name}")
    out = np.empty(shape, dtype=dtype)
    begin = 0
    for e, (group, count) in enumerate(zip(groups, counts.tolist(), strict=True)):
        dataset = h5d.open(group, key)
        check_storage(dataset, b"%s of episode %d" % (key, e), dataset_id, budget.limit)
        if dataset.shape != (count, *out.shape[1:]):
            raise DatasetError(
                f"{dataset_id}: {name} of episode {e} has shape {dataset.shape}; expected {(count, *out.shape[1:])}"
            )
        if dataset.get_type() != stored_type:  # some episodes in float32 and others in float64, say
            out = out.astype(np.result_type(out.dtype, _number_type(dataset, name, dataset_id)), copy=False)
        dataset.read(h5s.ALL, h5s.ALL, out[begin : begin + count])
        begin += count
    return out


def _number_type(dataset: Any, name: str, dataset_id: str) -> Any:
    """The type of an array; DatasetError where it is not one of booleans or of numbers that a learner takes."""
    dtype = dataset.dtype
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise DatasetError(f"{dataset_id}: {name} are {dtype}; expected numbers of at most 64 bits")
    return dtype


def _infos_of_all(groups: list[Any], names: Sequence[str], dataset_id: str) -> list[str]:
    """Those of `names` that every episode has as an array."""
    if not all(b"infos" in group for group in groups):
        return []
    infos = [h5g.open(group, b"infos") for group in groups]
    shared = []
    for name in names:
        owners = [group for group in infos if name.encode() in group]
        if len(owners) < len(infos):  # not read, so checked here
            for group in owners:
                check_storage(h5d.open(group, name.encode()), f"infos/{name}".encode(), dataset_id)
        elif isinstance(h5o.open(infos[0], name.encode()), h5d.DatasetID):
            shared.append(name)
    return shared


def _read_seeds(groups: list[Any], dataset_id: str) -> Array | None:
    """The seed of each episode's reset (E,); None unless all have one of at least 0, with a warning where some have one."""
    seeded = [h5a.exists(group, _SEED) for group in groups]
    seeds = _read_attribute(groups, _SEED, np.uint64)
    # HDF5 reads a negative number as 0
    negative = seeds is not None and any(_is_negative(groups[e]) for e in np.flatnonzero(seeds == 0).tolist())
    if negative or (any(seeded) and not all(seeded)):
        warnings.warn(
            f"{dataset_id}: episode_seeds are left out: some episodes have no seed, or a negative one",
            OffctxWarning,
            stacklevel=2,
        )
    return None if negative else seeds


def has_seeds(groups: Iterable[Any]) -> bool:
    """Whether every episode has a seed of at least 0."""
    return all(h5a.exists(group, _SEED) and not _is_negative(group) for group in groups)


def _is_negative(group: Any) -> bool:
    """Whether the seed of an episode is."""
    seed = np.zeros((), dtype=np.int64)
    h5a.open(group, _SEED).read(seed)
    return int(seed) < 0


def _read_attribute(groups: list[Any], key: bytes, dtype: Any) -> Array | None:
    """An attribute of every episode (E, ...); None unless all have it, in one shape."""
    if not all(h5a.exists(group, key) for group in groups):
        return None
    values = []
    for group in groups:
        attribute = h5a.open(group, key)
        value = np.empty(attribute.shape, dtype=dtype)
        attribute.read(value)
        values.append(value)
    return np.stack(values) if all(value.shape == values[0].shape for value in values) else None
