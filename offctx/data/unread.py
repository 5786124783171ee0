"""A stored dataset whose arrays are read when they are first used: what is given back where they are large."""

from collections.abc import Callable
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

from offctx.data.about import About
from offctx.data.dataset import ContextualDataset
from offctx.data.load import load_dataset
from offctx.data.metadata import Metadata
from offctx.data.storage.ids import dataset_folder, datasets_in, datasets_root
from offctx.data.storage.read import header_of, read_metadata
from offctx.errors import DatasetError

READ_AT_ONCE = 1 << 18  # transitions; `attach_derivatives` and `combine` give back a larger dataset unread
_ARRAYS = frozenset(
    field.name
    for field in fields(ContextualDataset)
    if field.name not in ("dataset_id", "context_space", "observation_space", "action_space", "metadata", "about", "env_spec")
)


class UnreadDataset(ContextualDataset):
    """A dataset of offctx that is read, whole, when one of its arrays is first asked for. Then it is like any other.

    It is read from the folder of datasets in which it was written, whatever MINARI_DATASETS_PATH and the working directory are
    then; from the present folder of datasets where it was moved there.

    Args:
        dataset_id: of the dataset.
        written: the metadata that were written with the dataset.
        load: reads the dataset of an id.

    Raises:
        DatasetError: as `read_as_written`, also when an array is first asked for.
    """

    def __init__(self, dataset_id: str, written: Metadata, load: Callable[[str], ContextualDataset] = load_dataset) -> None:
        header = header_of(read_metadata(dataset_folder(dataset_id) / "data", dataset_id), dataset_id)
        _check_written(header.metadata, written, dataset_id)
        self.__dict__.update(
            dataset_id=dataset_id,
            context_space=written.space(),
            observation_space=header.observation_space,
            action_space=header.action_space,
            metadata=written,
            about=About.of(header.raw),
            env_spec=header.raw.get("env_spec"),
            _read=partial(_read_where_written, datasets_root(), dataset_id, written, load),
            _sizes=(int(header.raw["total_steps"]), int(header.raw["total_episodes"])),
        )

    def __getattribute__(self, name: str) -> Any:
        if name in _ARRAYS:
            loaded = self._read()
            del self.__dict__["_sizes"], self.__dict__["_read"]
            self.__dict__.update(vars(loaded))
            object.__setattr__(self, "__class__", ContextualDataset)
            return getattr(self, name)
        return object.__getattribute__(self, name)

    def __len__(self) -> int:
        return int(self._sizes[0])

    @property
    def num_episodes(self) -> int:
        """The number of episodes, E."""
        return int(self._sizes[1])


def read_as_written(dataset_id: str, written: Metadata, load: Callable[[str], ContextualDataset]) -> ContextualDataset:
    """Reads a dataset that was written before.

    Args:
        dataset_id: of the dataset.
        written: the metadata that were written with the dataset; their checksums cover its data.
        load: reads the dataset of an id.

    Raises:
        DatasetError: that of `load`; or the dataset that has the id now is another one.
    """
    dataset = load(dataset_id)
    _check_written(dataset.metadata, written, dataset_id)
    return dataset


def _read_where_written(
    root: Path, dataset_id: str, written: Metadata, load: Callable[[str], ContextualDataset]
) -> ContextualDataset:
    """As `read_as_written`, in the folder of datasets `root`, or in the present one where the dataset is there alone."""
    with datasets_in(root):
        moved = not dataset_folder(dataset_id).exists()
    with datasets_in(datasets_root() if moved and dataset_folder(dataset_id).exists() else root):
        return read_as_written(dataset_id, written, load)


def _check_written(metadata: Metadata | None, written: Metadata, dataset_id: str) -> None:
    checksum = None if metadata is None else metadata.metadata_sha256
    if checksum is None or checksum != written.metadata_sha256:
        raise DatasetError(
            f"{dataset_id} was replaced since: expected metadata with checksum {str(written.metadata_sha256)[:12]}..., as they "
            f"were written; found {'none' if checksum is None else f'{checksum[:12]}...'}. load_dataset({dataset_id!r}) reads "
            f"the dataset that has the id now"
        )
