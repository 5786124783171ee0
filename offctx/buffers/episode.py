"""Episodes and transitions as d3rlpy's scalers, evaluators, pickers and slicers expect them: views of a buffer."""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from d3rlpy.dataset import (
    BufferProtocol,
    EpisodeBase,
    Signature,
    Transition,
)

from offctx.envs.base import Array
from offctx.errors import DatasetError

if TYPE_CHECKING:
    from offctx.buffers.replay_buffer import ContextualReplayBuffer


class ContextualEpisode(EpisodeBase):
    """One episode as d3rlpy's scalers, evaluators, pickers and slicers expect it.

    Observations and actions have T + 1 rows, so that stock transition pickers find the true next observation of the last
    transition too; the last action stands twice there, as nobody knows what would have come next. (d3rlpy's
    MultiStepTransitionPicker alone counts rows of a truncated episode its own way, and gives that last one interval 0.)
    """

    def __init__(self, buffer: "ContextualReplayBuffer", start: int, end: int) -> None:
        self._buffer, self._length = buffer, end - start
        self._start = start + buffer.table.first  # counted from the first row that there ever was

    def _column(self, name: str) -> Array:
        """A column (T, ...), or an error where the buffer has overwritten some of it."""
        start = self._start - self._buffer.table.first
        if start < 0:
            raise DatasetError("this episode has been overwritten by newer transitions: ask the buffer for its episodes again")
        return self._buffer.table.span(name, start, start + self._length)

    @cached_property
    def observations(self) -> Array:
        """(T + 1, D)."""
        return np.concatenate([self._column("observations"), self._column("next_observations")[-1:]])

    @cached_property
    def actions(self) -> Array:
        """(T + 1, a)."""
        actions = self._column("actions").astype(self.action_signature.dtype[0])
        return np.concatenate([actions, actions[-1:]])

    @property
    def rewards(self) -> Array:
        """(T, 1)."""
        return self._column("rewards")

    @property
    def terminated(self) -> bool:
        """Whether the environment, not the time limit, ended it."""
        return bool(self._column("terminals")[-1, 0])

    @property
    def observation_signature(self) -> Signature:
        """Of one observation."""
        return self._buffer.dataset_info.observation_signature

    @property
    def action_signature(self) -> Signature:
        """Of one action."""
        return self._buffer.dataset_info.action_signature

    @property
    def reward_signature(self) -> Signature:
        """Of one reward."""
        return self._buffer.dataset_info.reward_signature

    def size(self) -> int:
        """Steps, T."""
        return self._length

    def __len__(self) -> int:
        return self.size()

    @property
    def transition_count(self) -> int:
        """Transitions, T: all of them, also in a truncated episode."""
        return self.size()

    def compute_return(self) -> float:
        """Undiscounted return."""
        return float(self.rewards.sum())

    def serialize(self) -> dict[str, Any]:
        """The form that d3rlpy's `Episode.deserialize` takes.

        A truncated episode is written with one row more, of which d3rlpy uses the observation only: so its loader,
        which drops the last row of a truncated episode, loses no transition.
        """
        t = self.size() + (not self.terminated)
        rewards = np.concatenate([self.rewards, np.zeros((1, 1), np.float32)])[:t]
        return {
            "observations": self.observations[:t],
            "actions": self.actions[:t],
            "rewards": rewards,
            "terminated": self.terminated,
        }

    @classmethod
    def deserialize(cls, serializedData: dict[str, Any]) -> EpisodeBase:
        """Not possible: an episode here is a view of a buffer."""
        raise DatasetError("a ContextualEpisode is a view of its buffer; load the file with d3rlpy's ReplayBuffer.load")


class TransitionSequence(Sequence[Transition]):
    """The transitions of a batch as objects, made only for those who look (returns-to-go algorithms do)."""

    def __init__(self, buffer: "ContextualReplayBuffer", indices: Array) -> None:
        self._buffer, self._indices = buffer, indices

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return TransitionSequence(self._buffer, self._indices[i])
        return self._buffer.transition(int(self._indices[i]))


class BufferView(BufferProtocol):
    """What d3rlpy calls a buffer: pairs (episode, index within it)."""

    def __init__(self, owner: "ContextualReplayBuffer") -> None:
        self._owner = owner

    def append(self, episode: EpisodeBase, index: int) -> None:
        """Not possible transition by transition."""
        raise DatasetError("append whole episodes by ContextualReplayBuffer.append_episode, or steps by its append")

    @property
    def episodes(self) -> Sequence[EpisodeBase]:
        """All episodes."""
        return self._owner.episodes

    @property
    def transition_count(self) -> int:
        """All transitions."""
        return self._owner.transition_count

    def __len__(self) -> int:
        return self._owner.transition_count

    def __getitem__(self, index: int) -> tuple[EpisodeBase, int]:
        start, end = self._owner.bounds(self._owner.episode_of(index))
        return ContextualEpisode(self._owner, start, end), index - start
