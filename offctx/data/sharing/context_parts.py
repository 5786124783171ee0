"""Where the episodes of each context lie in Minari's HDF5 file: numbers of episodes, and ranges of bytes.

Dimensions: E episodes, K contexts, p context.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from h5py import h5d, h5g, h5o

from offctx.contexts.distinct import distinct_rows
from offctx.data.choice.contexts import choose_contexts
from offctx.data.sharing.manifest import MAIN_PATH, ContextPart
from offctx.data.storage.hdf5 import episode_groups, first_context
from offctx.data.storage.summary import Summary
from offctx.envs.base import Array
from offctx.errors import DatasetError

_HEADER = 1024  # bytes that an object's header takes at most, usually
_GAP = 16 * 1024  # bytes between two ranges that are fetched in one go


def context_parts(folder: Path, raw: dict[str, Any], dataset_id: str) -> list[ContextPart] | None:
    """Returns the parts of all contexts.

    Args:
        folder: of the dataset.
        raw: its metadata.json.
        dataset_id: for messages.

    Returns:
        (K,), numbered as `context_ids` of the loaded dataset number contexts: by their values, in the order in which they first
        appear. None where the dataset is not in HDF5, or an episode has no context.

    Raises:
        DatasetError: the file is damaged.
    """
    if raw.get("data_format") != "hdf5":
        return None
    size = (folder / MAIN_PATH).stat().st_size
    contexts: list[Array] = []
    places: list[int] = []
    ranges: list[list[tuple[int, int]]] = []
    with episode_groups(folder / "data", raw, dataset_id) as groups:
        for group in groups:
            context = first_context(group)
            if context is None or not np.isfinite(context).all() or (contexts and context.shape != contexts[0].shape):
                return None
            contexts.append(context)
            places.append(h5o.get_info(group).addr)
            ranges.append(_ranges(group))
    if not contexts:
        return None
    return _parts(np.array(contexts), places, ranges, size)


def parts_of_summary(summary: Summary, size: int) -> list[ContextPart]:
    """Returns the parts of all contexts, as `context_parts` does, of a dataset that has a summary.

    Args:
        summary: of the dataset.
        size: of its HDF5 file [bytes].
    """
    places: list[int] = summary.places.tolist()
    begins = sorted(places)
    end_of = dict(zip(begins, [*(begin + _HEADER for begin in begins[1:]), size], strict=True))
    return _parts(summary.contexts, places, [[(place, end_of[place])] for place in places], size)


def _parts(contexts: Array, places: Sequence[int], ranges: Sequence[list[tuple[int, int]]], size: int) -> list[ContextPart]:
    """The parts of all contexts, of those of episodes (E, p), and the places (E,) and ranges of bytes (E,) of these."""
    distinct, ids = distinct_rows(contexts)
    order = np.argsort(ids, kind="stable")
    episodes_of = np.split(order, np.cumsum(np.bincount(ids))[:-1])
    return [
        ContextPart(
            values=values,
            episodes=_runs(((e, e + 1) for e in episodes), gap=0),
            places=[places[e] for e in episodes],
            bytes=_runs(_inside((span for e in episodes for span in ranges[e]), size), gap=_GAP),
        )
        for values, episodes in zip(distinct.tolist(), (numbers.tolist() for numbers in episodes_of), strict=True)
    ]


def _inside(ranges: Iterable[tuple[int, int]], size: int) -> Iterable[tuple[int, int]]:
    """Ranges of bytes, sorted, without what lies beyond the end of the file."""
    return ((begin, min(end, size)) for begin, end in sorted(ranges) if begin < size)


def _ranges(group: Any) -> list[tuple[int, int]]:
    """The ranges [begin, end) of bytes that an episode's headers and arrays take."""
    begin = h5o.get_info(group).addr
    ranges = [(begin, begin + _HEADER)]
    for name in group:
        inner = h5o.open(group, name)
        if isinstance(inner, h5g.GroupID):
            ranges += _ranges(inner)
        elif isinstance(inner, h5d.DatasetID):
            begin = h5o.get_info(inner).addr
            ranges += [(begin, begin + _HEADER), *_array_ranges(inner)]
    return ranges


def _array_ranges(dataset: Any) -> list[tuple[int, int]]:
    layout = dataset.get_create_plist().get_layout()
    if layout == h5d.CONTIGUOUS:
        begin = dataset.get_offset()
        return [] if begin is None else [(begin, begin + dataset.get_storage_size())]
    if layout == h5d.CHUNKED:
        chunks = (dataset.get_chunk_info(k) for k in range(dataset.get_num_chunks()))
        return [(chunk.byte_offset, chunk.byte_offset + chunk.size) for chunk in chunks if chunk.byte_offset is not None]
    return []  # compact: in the header


def _runs(ranges: Iterable[tuple[int, int]], gap: int) -> list[tuple[int, int]]:
    """Sorted ranges, joined where at most `gap` lies between them."""
    joined: list[tuple[int, int]] = []
    for begin, end in ranges:
        if joined and begin <= joined[-1][1] + gap:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        elif begin < end:
            joined.append((begin, end))
    return joined


def chosen_parts(parts: list[ContextPart] | None, names: Sequence[str], contexts: Any, dataset_id: str) -> list[ContextPart]:
    """Returns the parts of the contexts that are asked for.

    Args:
        parts: those of the manifest.
        names: of the coordinates (p,).
        contexts: numbers of contexts, values, names, an inequality or a function, as `load_dataset` takes them.
        dataset_id: for messages.

    Raises:
        ContextError: the name of a coordinate is unknown.
        DatasetError: the dataset has no contexts, or not these.
    """
    if not parts:
        raise DatasetError(f"{dataset_id} has no contexts to choose from: pull all of it")
    if any(len(part.values) != len(names) for part in parts):
        raise DatasetError(f"{dataset_id}: the manifest has contexts of another size than the metadata; expected {list(names)}")
    distinct, ids = distinct_rows(np.array([part.values for part in parts]))  # a manifest may hold 0.0 and -0.0
    chosen = choose_contexts(distinct, names, contexts, dataset_id)[ids]
    return [part for part, is_chosen in zip(parts, chosen, strict=True) if is_chosen]
