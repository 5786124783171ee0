"""A dataset as it was read from its files."""

from dataclasses import dataclass
from typing import Any

from gymnasium import spaces

from offctx.data.episodes import Episodes
from offctx.data.metadata import Metadata


@dataclass(frozen=True, eq=False)
class StoredDataset:
    """A dataset as it was read from its files.

    Attributes:
        dataset_id: Minari id.
        raw: all of metadata.json, Minari's own keys too.
        metadata: the part of it under the key "offctx"; None where there is none.
        observation_space: 1-D Box of a float type.
        action_space: 1-D Box, or Discrete.
        episodes: all episodes end to end.
    """

    dataset_id: str
    raw: dict[str, Any]
    metadata: Metadata | None
    observation_space: spaces.Box
    action_space: spaces.Box | spaces.Discrete
    episodes: Episodes
