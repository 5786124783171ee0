"""What a copy of episodes leaves out, as the layout has no place for it; said in a warning."""

import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from h5py import h5a, h5g
from minari.dataset.minari_storage import MinariStorage

from offctx.data.layout import INFOS
from offctx.data.storage.hdf5 import opened
from offctx.data.storage.ids import dataset_folder
from offctx.data.storage.own_files import own_group
from offctx.data.storage.read import read_metadata
from offctx.errors import DatasetError, OffctxWarning

if TYPE_CHECKING:
    from offctx.data.dataset import ContextualDataset

_SAMPLE = 1000  # episodes
_OPTIONS = "options/"
_NAMED_OPTIONS = frozenset({"context", "extrapolate"})


def warn_of_left_out(groups: Iterable[Any], dataset_id: str) -> None:
    """Warns of infos, and of options of resets, that the layout does not name.

    Args:
        groups: of episodes, in an HDF5 file.
        dataset_id: for messages.
    """
    infos: set[str] = set()
    attributes: set[bytes] = set()
    for group in groups:
        if b"infos" in group:
            infos |= {name.decode(errors="replace") for name in h5g.open(group, b"infos")}
        h5a.iterate(group, attributes.add)
    names = {name.decode(errors="replace") for name in attributes}
    options = {name.removeprefix(_OPTIONS) for name in names if name.startswith(_OPTIONS)}
    _warn("infos", infos - set(INFOS), dataset_id)
    _warn("options of resets", options - _NAMED_OPTIONS, dataset_id)


def some_of(numbers: Sequence[int]) -> Sequence[int]:
    """At most 1,000 numbers of episodes, spread evenly: a look into all of them would take a third of the time of writing."""
    return numbers[:: -(-len(numbers) // _SAMPLE)] if len(numbers) else numbers


def warn_of_left_out_by(dataset: "ContextualDataset") -> None:
    """Warns of what a loaded dataset lacks of the one on the disk, where that is still there under its id."""
    dataset_id = dataset.dataset_id
    try:
        data = dataset_folder(dataset_id) / "data"
        raw = read_metadata(data, dataset_id)
        if raw.get("data_format") == "hdf5":
            with opened(data, raw, dataset_id) as file:
                numbers = _numbers(dataset, raw)
                groups = (own_group(file, b"episode_%d" % e, dataset_id, inside=False) for e in some_of(numbers))
                warn_of_left_out(groups, dataset_id)
                if dataset.episode_seeds is None:
                    seeded = sum(_has_seed(own_group(file, b"episode_%d" % e, dataset_id, inside=False)) for e in numbers)
                    _warn_of_seeds(seeded, len(numbers), dataset_id)
        else:
            _warn_by_minari(data, dataset_id)
    except DatasetError:
        return  # deleted, or replaced by something else


def _numbers(dataset: "ContextualDataset", raw: dict[str, Any]) -> list[int]:
    """The numbers of the episodes in the file; those that are not there any more are left out."""
    count = int(raw["total_episodes"])
    return [e for e in (range(count) if dataset.episode_numbers is None else dataset.episode_numbers.tolist()) if e < count]


def _warn_by_minari(data: Any, dataset_id: str) -> None:
    """As `warn_of_left_out`, of the first episode in another format, which is read by Minari's own reader."""
    try:
        storage = MinariStorage.read(data)
        first, about = next(iter(storage.get_episodes([0]))), next(iter(storage.get_episode_metadata([0])))
    except Exception:  # whatever Minari and its readers raise for damaged files
        return
    _warn("infos", set(first.get("infos") or {}) - set(INFOS), dataset_id)
    _warn("arguments of resets in this format", set(about) & {"seed", "options"}, dataset_id)


def _has_seed(group: Any) -> bool:
    return bool(h5a.exists(group, b"seed"))


def _warn_of_seeds(seeded: int, count: int, dataset_id: str) -> None:
    if seeded:
        warnings.warn(
            f"{dataset_id}: the seeds of {seeded} of its {count} episodes are left out: the layout has seeds only where every "
            f"episode has one of at least 0",
            OffctxWarning,
            stacklevel=3,
        )


def _warn(what: str, names: set[str], dataset_id: str) -> None:
    if names:
        warnings.warn(
            f"{dataset_id}: {what} that the layout does not name are left out: {', '.join(sorted(names))}",
            OffctxWarning,
            stacklevel=3,
        )
