"""Some contexts of a dataset, fetched and made into a dataset of their own, with the memory of a few episodes.

Dimensions: p context.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from h5py import h5f, h5fd, h5p

from offctx.data.about import About
from offctx.data.composition.left_out import warn_of_left_out
from offctx.data.composition.part import read_spec
from offctx.data.episodes import Episodes
from offctx.data.layout import CONTEXT, DERROR
from offctx.data.metadata import Metadata
from offctx.data.sharing.fetch import FileFetch
from offctx.data.sharing.folders import read_raw_metadata
from offctx.data.sharing.manifest import ContextPart, Manifest
from offctx.data.sharing.partial_file import PartialFile
from offctx.data.storage.changes import staging
from offctx.data.storage.limits import Budget
from offctx.data.storage.own_files import own_groups_at
from offctx.data.storage.publish import publish_dataset
from offctx.data.storage.read import header_of
from offctx.data.storage.read_episodes import read_blocks
from offctx.data.storage.stored import StoredHeader
from offctx.data.storage.writer import DatasetWriter
from offctx.envs.base import Array
from offctx.errors import DatasetError

_HEADER = 4096  # bytes at the beginning of an HDF5 file that are always read


def read_header(folder: Path, manifest: Manifest) -> StoredHeader:
    """What metadata.json says, which has been fetched.

    Raises:
        DatasetError: it is malformed, or not that of an offctx dataset.
    """
    header = header_of(read_raw_metadata(folder, manifest.dataset_id), manifest.dataset_id)
    if header.metadata is None:
        raise DatasetError(f"{manifest.dataset_id} is plain Minari data: pull all of it")
    return header


def write_part(
    new_id: str, fetch: FileFetch, path: Path, parts: Sequence[ContextPart], header: StoredHeader, manifest: Manifest
) -> None:
    """Fetches the episodes of some contexts and writes them as a dataset, whose metadata say of what they are a part.

    Args:
        new_id: an id that no dataset has, whose lock the caller holds.
        fetch: of the HDF5 file.
        path: where the fetch puts it.
        parts: the contexts.
        header: of the whole dataset.
        manifest: of the whole dataset.

    Raises:
        DatasetError: something cannot be fetched or read, or is not of these contexts; or the dataset cannot be written.
    """
    assert header.metadata
    ranges = [(0, _HEADER), *(span for part in parts for span in part.bytes)]
    fetch.fetch(sorted({block for begin, end in ranges for block in fetch.blocks_of(begin, end)}))
    numbers, places = _numbers_and_places(parts, header)
    contexts: set[tuple[float, ...]] = set()
    flagged = 0
    with staging() as folder, DatasetWriter(folder / "dataset", header.metadata.space()) as writer:
        with _opened(path, fetch, header.dataset_id) as file:
            warn_of_left_out(own_groups_at(file, places[:1].tolist(), header.dataset_id), header.dataset_id)
            for episodes in read_blocks(file, header, numbers, lambda: Budget(None, fetch.file.size), places=places):
                contexts |= _contexts_of(episodes)
                flagged += _flagged(episodes, header.metadata)
                writer.append(episodes)
        if contexts != {tuple(part.values) for part in parts}:
            raise DatasetError(f"{header.dataset_id}: the manifest leads to episodes of other contexts")
        metadata = _metadata(header.metadata, parts, manifest, flagged)
        spaces = (header.observation_space, header.action_space)
        spec, about = read_spec(header.raw.get("env_spec")), About.of(header.raw)
        writer.finish(new_id, metadata, *spaces, spec=spec, about=about)
        publish_dataset(new_id, folder / "dataset")


@contextlib.contextmanager
def _opened(path: Path, fetch: FileFetch, dataset_id: str) -> Iterator[Any]:
    """Gives the HDF5 file, which fetches what is read. Whatever fails while it is read is raised as DatasetError."""
    with PartialFile(path, fetch) as file:
        try:
            access = h5p.create(h5p.FILE_ACCESS)
            access.set_fclose_degree(h5f.CLOSE_STRONG)
            access.set_fileobj_driver(h5fd.fileobj_driver, file)
            opened = h5f.open(repr(file).encode(), h5f.ACC_RDONLY, fapl=access)
            try:
                yield opened
            finally:
                opened.close()
        except Exception as error:
            if isinstance(file.error, Exception):
                raise file.error from error
            if isinstance(error, DatasetError):
                raise
            raise DatasetError(f"{dataset_id}: cannot read episodes of these contexts: {error}") from error


def _metadata(metadata: Metadata, parts: Sequence[ContextPart], manifest: Manifest, flagged: int) -> Metadata:
    part_of = {
        "dataset_id": manifest.dataset_id,
        "content_sha256": manifest.sha256,
        "contexts": [part.values for part in parts],
    }
    changes: dict[str, Any] = {"recipe": metadata.recipe | {"part_of": part_of}}
    if metadata.derivatives is not None and metadata.derivatives.flagged is not None:
        changes["derivatives"] = metadata.derivatives.model_copy(update={"flagged": flagged})
    return metadata.model_copy(update=changes)


def _numbers_and_places(parts: Sequence[ContextPart], header: StoredHeader) -> tuple[Array, Array]:
    """The numbers of the episodes, ascending, and the places of their groups in the file."""
    total = header.raw.get("total_episodes")
    runs = [run for part in parts for run in part.episodes]
    if not isinstance(total, int) or any(end > total for _, end in runs):
        raise DatasetError(f"{header.dataset_id}: the manifest names episodes that the metadata do not have")
    numbers, first = np.unique(np.concatenate([np.arange(first, end) for first, end in runs]), return_index=True)
    return numbers, np.array([place for part in parts for place in part.places], dtype=np.uint64)[first]


def _contexts_of(episodes: Episodes) -> set[tuple[float, ...]]:
    recorded = episodes.infos.get(CONTEXT)
    return set() if recorded is None else {tuple(row) for row in np.unique(recorded.astype(np.float64), axis=0).tolist()}


def _flagged(episodes: Episodes, metadata: Metadata) -> int:
    """How many derivatives lie above the tolerance."""
    if metadata.derivatives is None or DERROR not in episodes.infos:
        return 0
    return int((episodes.infos[DERROR][episodes.first_rows + 1] > (metadata.derivatives.tolerance or 0.0)).sum())
