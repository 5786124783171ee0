"""Some contexts of a dataset, made into a dataset of their own.

Dimensions: E episodes of the whole dataset, p context.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.envs.registration import EnvSpec
from h5py import h5f, h5fd, h5p
from minari.serialization import deserialize_space

from offctx.data.about import About
from offctx.data.episodes import Episodes, check_episodes
from offctx.data.layout import CONTEXT, DERROR, check_spaces
from offctx.data.metadata import Metadata, parse_metadata
from offctx.data.sharing.fetch import FileFetch
from offctx.data.sharing.manifest import ContextPart, Manifest
from offctx.data.sharing.partial_file import PartialFile
from offctx.data.storage.hdf5 import read_groups
from offctx.data.storage.limits import Budget
from offctx.data.storage.own_files import own_group
from offctx.data.storage.write import write_dataset
from offctx.errors import DatasetError

_HEADER = 4096  # bytes at the beginning of an HDF5 file that are always read


def fetch_part(fetch: FileFetch, path: Path, parts: Sequence[ContextPart], raw: dict[str, Any], dataset_id: str) -> Episodes:
    """Fetches the episodes of some contexts.

    Args:
        fetch: of the HDF5 file.
        path: where the fetch puts it.
        parts: the contexts.
        raw: metadata.json of the dataset.
        dataset_id: for messages.

    Returns:
        The episodes, in the order of the dataset.

    Raises:
        DatasetError: something cannot be fetched or read, or is not of these contexts.
    """
    ranges = [(0, _HEADER), *(span for part in parts for span in part.bytes)]
    fetch.fetch(sorted({block for begin, end in ranges for block in fetch.blocks_of(begin, end)}))
    numbers = _numbers(parts, raw, dataset_id)
    with PartialFile(path, fetch) as file:
        try:
            access = h5p.create(h5p.FILE_ACCESS)
            access.set_fclose_degree(h5f.CLOSE_STRONG)
            access.set_fileobj_driver(h5fd.fileobj_driver, file)
            opened = h5f.open(repr(file).encode(), h5f.ACC_RDONLY, fapl=access)
            try:
                groups = [own_group(opened, b"episode_%d" % e, dataset_id) for e in numbers]
                episodes = read_groups(groups, dataset_id, Budget(None, fetch.file.size))
            finally:
                opened.close()
        except Exception as error:
            if isinstance(file.error, Exception):
                raise file.error from error
            if isinstance(error, DatasetError):
                raise
            raise DatasetError(f"{dataset_id}: cannot read episodes of these contexts: {error}") from error
    check_episodes(episodes, dataset_id)
    _check_contexts(episodes, parts, dataset_id)
    return episodes


def write_part(
    new_id: str, episodes: Episodes, parts: Sequence[ContextPart], raw: dict[str, Any], manifest: Manifest, *, progress: bool
) -> None:
    """Writes the episodes as a dataset, whose metadata say of what they are a part.

    Raises:
        DatasetError: the id is taken, or the metadata are not those of an offctx dataset.
    """
    metadata = parse_metadata(raw, manifest.dataset_id)
    if metadata is None:
        raise DatasetError(f"{manifest.dataset_id} is plain Minari data: pull all of it")
    part_of = {
        "dataset_id": manifest.dataset_id,
        "content_sha256": manifest.sha256,
        "contexts": [part.values for part in parts],
    }
    changes: dict[str, Any] = {"recipe": metadata.recipe | {"part_of": part_of}}
    if metadata.derivatives is not None and metadata.derivatives.flagged is not None:
        changes["derivatives"] = metadata.derivatives.model_copy(update={"flagged": _flagged(episodes, metadata)})
    try:
        observation_space, action_space = (deserialize_space(raw[key]) for key in ("observation_space", "action_space"))
    except Exception as error:
        raise DatasetError(f"{manifest.dataset_id}: the metadata describe no spaces: {error}") from error
    check_spaces(observation_space, action_space, manifest.dataset_id)
    write_dataset(
        new_id,
        episodes,
        metadata.model_copy(update=changes),
        observation_space,
        action_space,
        spec=_spec(raw),
        about=About.of(raw),
        progress=progress,
    )


def _numbers(parts: Sequence[ContextPart], raw: dict[str, Any], dataset_id: str) -> list[int]:
    """The numbers of the episodes."""
    total = raw.get("total_episodes")
    runs = [run for part in parts for run in part.episodes]
    if not isinstance(total, int) or any(end > total for _, end in runs):
        raise DatasetError(f"{dataset_id}: the manifest names episodes that the metadata do not have")
    return sorted({e for first, end in runs for e in range(first, end)})


def _check_contexts(episodes: Episodes, parts: Sequence[ContextPart], dataset_id: str) -> None:
    """The episodes are of these contexts, all of them."""
    wanted = {tuple(part.values) for part in parts}
    recorded = episodes.infos.get(CONTEXT)
    found = set() if recorded is None else {tuple(row) for row in np.unique(recorded.astype(np.float64), axis=0).tolist()}
    if found != wanted:
        raise DatasetError(f"{dataset_id}: the manifest leads to episodes of other contexts")


def _flagged(episodes: Episodes, metadata: Metadata) -> int:
    """How many derivatives lie above the tolerance."""
    assert metadata.derivatives
    if DERROR not in episodes.infos:
        return 0
    return int((episodes.infos[DERROR][episodes.first_rows + 1] > (metadata.derivatives.tolerance or 0.0)).sum())


def _spec(raw: dict[str, Any]) -> EnvSpec | None:
    """Gymnasium's description of the environment, where it can be read. Nothing that it names is imported."""
    try:
        json.loads(raw["env_spec"])
        return EnvSpec.from_json(raw["env_spec"])
    except Exception:  # it is not needed to read the data
        return None
