"""Writes time steps of several environments side by side into a buffer, a whole batch of rows at once.

Dimensions: n environments, D what the agent sees, a action, p context.
"""

from collections.abc import Mapping

import numpy as np

from offctx.buffers.context_ids import ContextIds
from offctx.buffers.episode_index import EpisodeIndex
from offctx.buffers.replay_buffer import ContextualReplayBuffer
from offctx.envs.base import Array
from offctx.envs.parallel_episodes import JointStep
from offctx.envs.policies import ContextMode
from offctx.errors import DatasetError


class JointWriter:
    """Appends the steps of n environments to a buffer: row i of each time step continues row i of the one before it.

    Each step is written with its context, its true next observation, the simulator's state and noise, and derivatives where
    they are given. Episodes that run can be sampled like those that have ended.

    Args:
        buffer: what is written to. What it holds stays.
        n: how many environments there are.
        contexts: that will come (K, p), where they are known; their ids are given now, and so do not follow their order where
            ids are anonymous.

    Attributes:
        capacity: of the buffer, or None.

    Raises:
        DatasetError: the buffer's capacity is less than one time step.
    """

    def __init__(self, buffer: ContextualReplayBuffer, n: int, contexts: Array | None = None) -> None:
        buffer.clip_episode(False)
        self._episodes: EpisodeIndex = buffer._episodes
        self._context_ids: ContextIds = buffer._context_ids
        if contexts is not None and buffer.context_level not in ("append", "hidden"):
            self._context_ids.number(contexts)
        self._context: ContextMode = buffer.context
        self.capacity = self._episodes.table.capacity
        if self.capacity is not None and self.capacity < n:
            raise DatasetError(f"expected a capacity of at least {n} rows, one for each environment; found {self.capacity}")
        self._numbers, self._ids = np.zeros(n, np.int64), np.zeros(n, np.int64)  # of the running episodes, and of contexts
        self._next_row = -1  # after which of all rows that there ever were the next ones must stand

    def seen(self, observations: Array, contexts: Array) -> Array:
        """What the agent sees of observations (n, o) in contexts (n, p): float32 (n, D)."""
        parts = [observations, contexts] if self._context == "append" else [observations]
        return np.concatenate(parts, axis=1, dtype=np.float32, casting="same_kind")

    def append(self, step: JointStep, actions: Array, labels: Mapping[str, Array] | None = None) -> None:
        """One time step.

        Args:
            step: of all environments.
            actions: as the agent gave them, before they were clipped: (n, a), or (n,) where Discrete.
            labels: derivatives, by the names of columns; they are NaN where the buffer has them and they are not given.
        """
        table = self._episodes.table
        begins = step.begins if self._next_row == table.first + table.size else np.ones_like(step.begins)
        flat = np.asarray(actions, dtype=np.float32).reshape(len(begins), -1)
        running = np.flatnonzero(~begins)
        table.amend(table.size - len(begins) + running, next_actions=flat[running])
        contexts = step.contexts.astype(np.float32)
        if begins.any():
            self._ids = self._ids.copy()
            self._ids[begins] = self._context_ids.of(contexts[begins])
        self._numbers = self._episodes.append_side_by_side(
            self._numbers,
            begins,
            observations=self.seen(step.observations, step.contexts),
            actions=flat,
            rewards=step.rewards[:, None],
            next_observations=self.seen(step.next_observations, step.contexts),
            next_actions=np.where(step.terminations[:, None], 0, flat),
            terminals=step.terminations[:, None],
            contexts=contexts,
            context_ids=self._ids,
            states=step.states,
            noise=step.noise,
            **(labels or {}),
        )
        self._next_row = table.first + table.size

    def state(self) -> dict[str, Array]:
        """All that the next steps depend on, as arrays."""
        return {"numbers": self._numbers, "ids": self._ids, "next_row": np.array(self._next_row)}

    def restore(self, state: dict[str, Array]) -> None:
        """Goes on from what `state` returned."""
        self._numbers, self._ids, self._next_row = np.array(state["numbers"]), np.array(state["ids"]), int(state["next_row"])
