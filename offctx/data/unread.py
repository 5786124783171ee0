"""A stored dataset whose arrays are read when they are first used: what `collect` gives back where they are large."""

from dataclasses import fields
from typing import Any

from offctx.data.about import About
from offctx.data.dataset import ContextualDataset
from offctx.data.load import load_dataset
from offctx.data.storage.ids import dataset_folder
from offctx.data.storage.read import header_of, read_metadata

_ARRAYS = frozenset(
    field.name
    for field in fields(ContextualDataset)
    if field.name not in ("dataset_id", "context_space", "observation_space", "action_space", "metadata", "about", "env_spec")
)


class UnreadDataset(ContextualDataset):
    """A dataset of offctx that is read, whole, when one of its arrays is first asked for. Then it is like any other.

    Args:
        dataset_id: of a dataset that has its offctx metadata.

    Raises:
        DatasetError: as `load_dataset` raises it, also when an array is first asked for.
    """

    def __init__(self, dataset_id: str) -> None:
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
            _sizes=(int(header.raw["total_steps"]), int(header.raw["total_episodes"])),
        )

    def __getattribute__(self, name: str) -> Any:
        if name in _ARRAYS:
            loaded = load_dataset(object.__getattribute__(self, "dataset_id"))
            self.__dict__.pop("_sizes")
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
