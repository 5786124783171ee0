"""A dataset as it was read from its files."""

from dataclasses import dataclass
from typing import Any

from gymnasium import spaces

from offctx.data.episodes import Episodes
from offctx.data.metadata import Metadata
from offctx.data.transitions import Transitions
from offctx.envs.base import Array


@dataclass(frozen=True, eq=False)
class StoredHeader:
    """What a dataset's metadata.json says.

    Attributes:
        dataset_id: Minari id.
        raw: all of metadata.json, Minari's own keys too.
        metadata: the part of it under the key "offctx"; None where there is none.
        observation_space: 1-D Box of a float type.
        action_space: 1-D Box, or Discrete.
    """

    dataset_id: str
    raw: dict[str, Any]
    metadata: Metadata | None
    observation_space: spaces.Box
    action_space: spaces.Box | spaces.Discrete


@dataclass(frozen=True, eq=False)
class StoredDataset(StoredHeader):
    """A whole dataset.

    Attributes:
        episodes: all episodes end to end.
    """

    episodes: Episodes


@dataclass(frozen=True, eq=False)
class StoredTransitions(StoredHeader):
    """A dataset, or some of its episodes, one row a transition.

    Attributes:
        transitions: of the episodes that were read.
        numbers: of these episodes in the dataset, ascending; None for all.
        total: how many episodes the dataset has.
        mapped: whether the arrays are mapped from files on the disk.
    """

    transitions: Transitions
    numbers: Array | None
    total: int
    mapped: bool = False

    @classmethod
    def of(cls, stored: StoredDataset) -> "StoredTransitions":
        """A dataset that was read as episodes."""
        header = (stored.dataset_id, stored.raw, stored.metadata, stored.observation_space, stored.action_space)
        return cls(*header, Transitions.of(stored.episodes), None, len(stored.episodes.lengths))
