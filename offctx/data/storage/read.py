"""Reading a dataset: by its flat copy where that is valid, else all of its files in one pass.

Nothing here unpickles, and no environment that a file names is ever made: spaces come from the metadata as data.
"""

import contextlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from minari.dataset.minari_storage import METADATA_FILE_NAME, MinariStorage
from minari.serialization import deserialize_space

from offctx.data.episodes import STEP_ARRAYS, Episodes, check_episodes
from offctx.data.layout import INFOS, check_spaces
from offctx.data.metadata import parse_metadata
from offctx.data.storage.blocks import Damaged
from offctx.data.storage.flat_copy import FlatCopy
from offctx.data.storage.hdf5 import episode_groups, read_groups
from offctx.data.storage.ids import dataset_folder, datasets_root
from offctx.data.storage.leftovers import remove_leftovers
from offctx.data.storage.limits import METADATA_BYTES, Budget, size_of
from offctx.data.storage.own_files import check_folder, read_regular_file
from offctx.data.storage.stored import StoredDataset, StoredHeader
from offctx.data.storage.verify import verify_counts, verify_data, verify_metadata, verify_shapes, verify_types
from offctx.data.transitions import Transitions
from offctx.errors import DatasetError

Read = TypeVar("Read")
_FORMATS = ("hdf5", "arrow")
_ATTEMPTS = 20  # to read a dataset that others replace meanwhile


def read_dataset(dataset_id: str, *, cache: bool = True, max_bytes: int | None = None) -> StoredDataset:
    """Reads a whole Minari dataset.

    Args:
        dataset_id: Minari id.
        cache: read the flat copy where it is valid, and write it where it is not.
        max_bytes: what the arrays may take in memory; `offctx.data.storage.limits` says how much where it is not given.

    Returns:
        The dataset, verified.

    Raises:
        DatasetError: missing, truncated, inconsistent, outside the layout, too large for `max_bytes`, or its data do not fit
            their checksum; or it refers to files outside of its folder.
    """
    return unreplaced(dataset_id, lambda data: _read(data, dataset_id, cache, max_bytes))


def unreplaced(dataset_id: str, read: Callable[[Path], Read]) -> Read:
    """Returns what `read` reads from a dataset's folder of data; it reads again where another process replaced it meanwhile.

    Raises:
        DatasetError: that of `read`; or the dataset is replaced again and again.
    """
    remove_leftovers()
    for _ in range(_ATTEMPTS):
        data = dataset_folder(dataset_id) / "data"
        before = identity(data)
        try:
            content = read(data)
        except DatasetError:
            if identity(dataset_folder(dataset_id) / "data") == before:
                raise
        else:
            if identity(data) == before:
                return content
    raise DatasetError(f"{dataset_id} was replaced {_ATTEMPTS} times while it was read")


def identity(data: Path) -> tuple[int, ...] | None:
    """What tells a dataset's folder from the one that replaces it; None where there is none."""
    try:
        folder, status = data.parent.stat(), data.stat()
    except OSError:
        return None
    # A rename changes the time of what is renamed: a dataset that was away in between is told from one that stayed.
    return folder.st_dev, folder.st_ino, folder.st_ctime_ns, status.st_dev, status.st_ino, status.st_ctime_ns


def _read(data: Path, dataset_id: str, cache: bool, max_bytes: int | None) -> StoredDataset:
    raw = read_metadata(data, dataset_id)
    flat_copy = FlatCopy(data) if cache and raw.get("data_format") == "hdf5" else None
    transitions = flat_copy.open() if flat_copy else None
    if transitions is not None:
        with contextlib.suppress(Damaged, OSError):
            return _with_episodes(header_of(raw, dataset_id), transitions.read(mapped=True).to_episodes())
    stored = read_and_verify(data, dataset_id, raw, max_bytes)
    if flat_copy:
        flat_copy.save(Transitions.of(stored.episodes))
    return stored


def read_metadata(data: Path, dataset_id: str) -> dict[str, Any]:
    """Returns metadata.json of a dataset.

    Args:
        data: the folder of the file.
        dataset_id: for messages.

    Raises:
        DatasetError: there is no dataset, its folder holds more than its own files, or the file is not a table in JSON.
    """
    if not data.is_dir():
        raise DatasetError(f"no dataset {dataset_id!r} in {datasets_root()}; `offctx list datasets` shows what is there")
    try:
        check_folder(data.parent, dataset_id)
        raw = json.loads(read_regular_file(data / METADATA_FILE_NAME, METADATA_BYTES))
    except DatasetError:
        raise
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        raise DatasetError(f"{dataset_id}: cannot read {METADATA_FILE_NAME}: {error}") from error
    if not isinstance(raw, dict):
        raise DatasetError(f"{dataset_id}: {METADATA_FILE_NAME} holds no table of metadata")
    return raw


def read_and_verify(data: Path, dataset_id: str, raw: dict[str, Any], max_bytes: int | None = None) -> StoredDataset:
    """Reads all files of a dataset but metadata.json, which has been read; raises DatasetError as `read_dataset` does."""
    header = header_of(raw, dataset_id)  # a fault in the metadata is reported first
    stored = _with_episodes(header, _read_episodes(data, raw, dataset_id, Budget(max_bytes, size_of(data))))
    verify_types(stored)
    verify_counts(stored)
    verify_data(stored)
    verify_shapes(stored)
    check_episodes(stored.episodes, dataset_id)
    return stored


def header_of(raw: dict[str, Any], dataset_id: str) -> StoredHeader:
    """What metadata.json says.

    Args:
        raw: as `read_metadata` returns it.
        dataset_id: for messages.

    Raises:
        DatasetError: it is malformed, does not fit its checksum, or describes spaces outside of the layout.
    """
    metadata = parse_metadata(raw, dataset_id)
    verify_metadata(raw, metadata, dataset_id)
    observation_space, action_space = (_parse_space(raw, key, dataset_id) for key in ("observation_space", "action_space"))
    check_spaces(observation_space, action_space, dataset_id)
    return StoredHeader(dataset_id, raw, metadata, observation_space, action_space)


def _with_episodes(header: StoredHeader, episodes: Episodes) -> StoredDataset:
    return StoredDataset(**vars(header), episodes=episodes)


def _parse_space(raw: dict[str, Any], key: str, dataset_id: str) -> Any:
    try:
        return deserialize_space(raw[key])
    except Exception as error:  # whatever Minari, Gymnasium and NumPy raise for a hostile description
        raise DatasetError(
            f"{dataset_id}: the metadata describe no {key} ({type(error).__name__}: {error}); offctx does not make the "
            f"environment that a dataset names to find out"
        ) from error


def _read_episodes(data: Path, raw: dict[str, Any], dataset_id: str, budget: Budget) -> Episodes:
    data_format = raw.get("data_format")
    if data_format not in _FORMATS:
        raise DatasetError(f"{dataset_id}: unknown data_format {data_format!r}; Minari's are {', '.join(_FORMATS)}")
    if data_format != "hdf5":
        return _read_by_minari(data, dataset_id)
    with episode_groups(data, raw, dataset_id) as groups:
        return read_groups(groups, dataset_id, budget)


def _read_by_minari(data: Path, dataset_id: str) -> Episodes:
    """Reads other formats than HDF5 by Minari's own reader; the spaces are in the metadata, so it makes no environment."""
    try:
        storage = MinariStorage.read(data)
        episodes = list(storage.get_episodes(range(storage.total_episodes)))
        return _end_to_end(episodes)
    except Exception as error:  # whatever Minari and its readers raise for damaged files
        raise DatasetError(f"{dataset_id}: its files are damaged or foreign: {type(error).__name__}: {error}") from error


def _end_to_end(episodes: Sequence[dict[str, Any]]) -> Episodes:
    """Episodes as Minari's reader gives them, as arrays."""
    infos = [episode.get("infos") or {} for episode in episodes]
    shared = [name for name in INFOS if all(isinstance(info.get(name), np.ndarray) for info in infos)]
    return Episodes(
        lengths=np.array([len(episode["rewards"]) for episode in episodes], dtype=np.int64),
        observations=np.concatenate([episode["observations"] for episode in episodes]),
        **{name: np.concatenate([np.asarray(episode[name]) for episode in episodes]) for name in STEP_ARRAYS},
        infos={name: np.concatenate([info[name] for info in infos]) for name in shared},
    )
