"""An episode of a buffer as d3rlpy's scalers, evaluators, pickers and slicers expect it: a view of the buffer's table.

Dimensions: T steps, D what the agent sees, a action.
"""

from functools import cached_property
from typing import Any

import numpy as np
from d3rlpy.dataset import DatasetInfo, EpisodeBase, Signature

from offctx.buffers.table import TransitionTable
from offctx.envs.base import Array
from offctx.errors import DatasetError


class ContextualEpisode(EpisodeBase):
    """One episode as d3rlpy expects it.

    Observations and actions have T + 1 rows, so that stock transition pickers find the true next observation of the last
    transition too. The last action is repeated, because the next action is unknown. (d3rlpy's
    MultiStepTransitionPicker counts rows of a truncated episode in its own way, and gives the last one interval 0.)

    Args:
        table: of the buffer.
        info: shapes and types of the buffer.
        rows: of the episode (T,), at equal distances.
    """

    def __init__(self, table: TransitionTable, info: DatasetInfo, rows: Array) -> None:
        self._table, self._info, self._length = table, info, len(rows)
        self._start = int(rows[0]) + table.first  # counted from the first row that there ever was
        self._stride = int(rows[1] - rows[0]) if len(rows) > 1 else 1

    def row(self, index: int) -> int:
        """The row of the buffer that holds one of its steps."""
        return self._start - self._table.first + index * self._stride

    def _column(self, name: str) -> Array:
        """A column (T, ...), or an error where the buffer has overwritten some of it."""
        start = self._start - self._table.first
        if start < 0:
            raise DatasetError("this episode has been overwritten by newer transitions: ask the buffer for its episodes again")
        if self._stride == 1:
            return self._table.span(name, start, start + self._length)
        return self._table.take(name, start + self._stride * np.arange(self._length))

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
        """Whether the environment, not the time limit, ended the episode."""
        return bool(self._column("terminals")[-1, 0])

    @property
    def observation_signature(self) -> Signature:
        """Shape and type of one observation."""
        return self._info.observation_signature

    @property
    def action_signature(self) -> Signature:
        """Shape and type of one action."""
        return self._info.action_signature

    @property
    def reward_signature(self) -> Signature:
        """Shape and type of one reward."""
        return self._info.reward_signature

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
        """The undiscounted return."""
        return float(self.rewards.sum())

    def serialize(self) -> dict[str, Any]:
        """The form that d3rlpy's `Episode.deserialize` takes.

        A truncated episode is written with one more row, of which d3rlpy uses the observation alone. d3rlpy's loader drops the
        last row of a truncated episode; so no transition is lost.
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
