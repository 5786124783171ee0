"""What d3rlpy reads from a buffer beside batches: its episodes, its counts, its shapes and its file."""

from collections.abc import Sequence
from typing import Any, BinaryIO

from d3rlpy.dataset import (
    BasicTrajectorySlicer,
    BasicTransitionPicker,
    BufferProtocol,
    DatasetInfo,
    EpisodeBase,
    ReplayBuffer,
    ReplayBufferBase,
    TransitionPickerProtocol,
)
from d3rlpy.dataset.io import dump

from offctx.buffers.episode_index import EpisodeIndex
from offctx.buffers.views import BufferView, episode_views


class ReadableBuffer(ReplayBufferBase):
    """The reading half of d3rlpy's `ReplayBufferBase`. Sampling and growing are left to the subclass.

    Args:
        episodes: of the buffer, over its table.
        info: shapes, types and the action space.
    """

    def __init__(self, episodes: EpisodeIndex, info: DatasetInfo) -> None:
        self._episodes, self._info = episodes, info

    @property
    def episodes(self) -> Sequence[EpisodeBase]:
        """All episodes, oldest first, as views."""
        return episode_views(self._episodes, self.dataset_info)

    def size(self) -> int:
        """The number of episodes, E."""
        return len(self._episodes)

    @property
    def transition_count(self) -> int:
        """The number of transitions, N."""
        return self._episodes.table.size

    @property
    def buffer(self) -> BufferProtocol:
        """The same transitions as d3rlpy's pairs (episode, index)."""
        return BufferView(self._episodes, self.dataset_info)

    @property
    def transition_picker(self) -> TransitionPickerProtocol:
        """d3rlpy's own; `ContextualEpisode` gives it all that it needs."""
        return BasicTransitionPicker()

    @property
    def trajectory_slicer(self) -> BasicTrajectorySlicer:
        """d3rlpy's own."""
        return BasicTrajectorySlicer()

    @property
    def dataset_info(self) -> DatasetInfo:
        """Shapes, types and the action space."""
        return self._info

    def dump(self, f: BinaryIO) -> None:
        """Writes d3rlpy's file format, from which d3rlpy's `ReplayBuffer.load` reads every transition."""
        dump(self.episodes, f)

    @classmethod
    def load(cls, f: BinaryIO, buffer: BufferProtocol, *args: Any, **kwargs: Any) -> ReplayBuffer:
        """What `dump` wrote, as d3rlpy's own buffer: the file holds no context labels."""
        return ReplayBuffer.load(f, buffer, *args, **kwargs)

    @classmethod
    def from_episode_generator(cls, episode_generator: Any, buffer: BufferProtocol, *args: Any, **kwargs: Any) -> ReplayBuffer:
        """d3rlpy's own buffer from its episodes, which carry no context labels."""
        return ReplayBuffer.from_episode_generator(episode_generator, buffer, *args, **kwargs)
