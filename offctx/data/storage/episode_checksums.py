"""The checksums of an episode's arrays, in an attribute of its group, so that an episode that is read alone can be verified.

The SHA-256 in the metadata covers all episodes together, and is compared where all are read. CRC-32 finds damage. An array that
an episode does not have has the checksum 0. Datasets of layout version 1 and plain Minari data have no such attribute.
"""

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from h5py import h5a

from offctx.data.episodes import STEP_ARRAYS, Episodes, little_endian
from offctx.data.layout import INFOS
from offctx.envs.base import Array
from offctx.errors import DatasetError

CHECKSUMS = b"offctx_crc32"
RESET = "reset"  # the seed and the context in the options of the episode's reset
_SLOTS = {name: k for k, name in enumerate([RESET, "observations", *STEP_ARRAYS, *(f"infos/{name}" for name in INFOS)])}


def checksums(arrays: Mapping[str, Array], seed: Any, context: Any) -> Array:
    """The checksums of one episode.

    Args:
        arrays: by their names; those beyond the layout have no checksum.
        seed: of its reset, or None.
        context: in the options of its reset, or None.

    Returns:
        (12,), uint32, in a fixed order.
    """
    values = np.zeros(len(_SLOTS), dtype=np.uint32)
    values[_SLOTS[RESET]] = _of_reset(seed, context)
    for name, array in arrays.items():
        if name in _SLOTS:
            values[_SLOTS[name]] = _of_array(array)
    return values


def change_checksums(group: Any, arrays: Mapping[str, Array | None]) -> None:
    """Notes in an episode's group that some of its arrays were replaced, or deleted (None)."""
    values = _stored(group)
    if values is None:
        return
    for name, array in arrays.items():
        if name in _SLOTS:
            values[_SLOTS[name]] = 0 if array is None else _of_array(array)
    h5a.open(group, CHECKSUMS).write(values)


def has_checksums(group: Any) -> bool:
    """Whether an episode's group has checksums."""
    return bool(h5a.exists(group, CHECKSUMS))


def verify_checksums(groups: list[Any], episodes: Episodes, numbers: Array, dataset_id: str, *, required: bool = False) -> None:
    """Compares episodes that were read with their checksums, where they have any.

    Args:
        groups: of the episodes (E,).
        episodes: what was read from them.
        numbers: of the episodes in their dataset (E,), for messages.
        dataset_id: for messages.
        required: refuse an episode that has none.

    Raises:
        DatasetError: names the first array that is not what was written.
    """
    steps, rows = (np.concatenate([[0], ends]).tolist() for ends in (episodes.step_ends, episodes.row_ends))
    infos = {f"infos/{name}": array for name, array in episodes.infos.items()}
    for e, group in enumerate(groups):
        expected = _stored(group)
        if expected is None:
            if required:
                raise DatasetError(f"{dataset_id}: episode {numbers[e]} has lost its checksum: it was changed or damaged")
            continue
        if _number(group) != numbers[e]:
            raise DatasetError(f"{dataset_id}: in the place of episode {numbers[e]} there is another one")
        arrays = {name: array[rows[e] : rows[e + 1]] for name, array in infos.items()}
        arrays |= {name: getattr(episodes, name)[steps[e] : steps[e + 1]] for name in STEP_ARRAYS}
        arrays["observations"] = episodes.observations[rows[e] : rows[e + 1]]
        seed, context = (None if of is None else of[e] for of in (episodes.seeds, episodes.options_context))
        differ = np.flatnonzero(checksums(arrays, seed, context) != expected)
        if len(differ):
            name = list(_SLOTS)[differ[0]]
            raise DatasetError(
                f"{dataset_id}: {name} of episode {numbers[e]} do not fit their checksum: they were changed or damaged after "
                f"they were written"
            )


def verify_reset(group: Any, context: Array, number: int, dataset_id: str) -> None:
    """Compares the context in the options of an episode's reset with its checksum, where there is one.

    Args:
        group: of the episode.
        context: as it was read (p,).
        number: of the episode in its dataset.
        dataset_id: for messages.

    Raises:
        DatasetError: it is not what was written, or the episode is another one.
    """
    expected = _stored(group)
    if expected is None:
        return
    seed = np.zeros((), dtype=np.uint64)
    if seeded := h5a.exists(group, b"seed"):
        h5a.open(group, b"seed").read(seed)
    if _of_reset(seed if seeded else None, context) != expected[_SLOTS[RESET]] or _number(group) != number:
        raise DatasetError(
            f"{dataset_id}: {RESET} of episode {number} does not fit its checksum: it was changed or damaged after it was "
            f"written"
        )


def _stored(group: Any) -> Array | None:
    """The checksums in an episode's group; None where it has none."""
    if not has_checksums(group):
        return None
    values = np.zeros(len(_SLOTS), dtype=np.uint32)
    attribute = h5a.open(group, CHECKSUMS)
    if attribute.shape == values.shape:
        attribute.read(values)
    return values


def _number(group: Any) -> int:
    """The number that an episode has in its dataset, as its group says."""
    number = np.full((), -1, dtype=np.int64)
    if h5a.exists(group, b"id"):
        h5a.open(group, b"id").read(number)
    return int(number)


def _of_array(array: Array) -> int:
    return zlib.crc32(little_endian(array).data)


def _of_reset(seed: Any, context: Any) -> int:
    content = b"" if seed is None else np.asarray(seed, dtype="<u8").tobytes()
    return zlib.crc32(content + (b"" if context is None else np.asarray(context, dtype="<f8").tobytes()))
