"""A stored dataset whose arrays are read when they are first used: what is given back where they are large."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

from offctx.data.about import About
from offctx.data.dataset import ContextualDataset
from offctx.data.load import load_dataset
from offctx.data.storage.ids import dataset_folder
from offctx.data.storage.read import header_of, read_metadata

READ_AT_ONCE = 1 << 18  # transitions; `attach_derivatives` and `combine` give back a larger dataset unread
_ARRAYS = frozenset(
    field.name
    for field in fields(ContextualDataset)
    if field.name not in ("dataset_id", "context_space", "observation_space", "action_space", "metadata", "about", "env_spec")
)


class UnreadDataset(ContextualDataset):
    """A dataset of offctx that is read, whole, when one of its arrays is first asked for. Then it is like any other.

    Args:
        dataset_id: of a dataset that has its offctx metadata.
        load: reads the dataset of an id.

    Raises:
        DatasetError: as `load` raises it, also when an array is first asked for.
    """

    def __init__(self, dataset_id: str, load: Callable[[str], ContextualDataset] = load_dataset) -> None:
        header = header_of(read_metadata(dataset_folder(dataset_id) / "data", dataset_id), dataset_id)
        assert header.metadata is not None
        self.__dict__.update(
            dataset_id=dataset_id,
            context_space=header.metadata.space(),
            observation_space=header.observation_space,
            action_space=header.action_space,
            metadata=header.metadata,
            about=About.of(header.raw),
            env_spec=header.raw.get("env_spec"),
            _load=load,
            _sizes=(int(header.raw["total_steps"]), int(header.raw["total_episodes"])),
        )

    def __getattribute__(self, name: str) -> Any:
        if name in _ARRAYS:
            loaded = self._load(self.dataset_id)
            del self.__dict__["_sizes"], self.__dict__["_load"]
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
