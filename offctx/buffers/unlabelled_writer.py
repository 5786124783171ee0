"""Writes online steps of which a buffer knows observation, action and reward alone, as d3rlpy's own buffers do.

The next observation of a step is that of the step after it. So the last step of a truncated episode is left out. Contexts are
read off the observations where they are appended, and are unknown (NaN, id -1) where they are hidden.

Dimensions: n rows, D what the agent sees, a action, p context.
"""

import numpy as np
from d3rlpy.dataset import EpisodeBase

from offctx.buffers.context_ids import ContextIds
from offctx.buffers.episode_index import EpisodeIndex
from offctx.envs.base import Array
from offctx.envs.policies import ContextMode


class UnlabelledWriter:
    """Appends unlabelled steps and whole episodes to a buffer.

    Args:
        episodes: of the buffer.
        context_ids: of the buffer.
        context: whether observations have the context appended.
        context_size: p.
    """

    def __init__(self, episodes: EpisodeIndex, context_ids: ContextIds, context: ContextMode, context_size: int) -> None:
        self._episodes, self._context_ids = episodes, context_ids
        self._context, self._context_size = context, context_size
        self._pending: tuple[Array, Array, Array] | None = None  # the step whose next observation is not known yet
        self._growing = False  # whether rows of the episode that is played have been written

    def append(self, observation: Array, action: Array, reward: Array) -> None:
        """One step: observation (D,), action (a,) and reward (1,), float32."""
        if self._pending is not None:
            self._write(self._pending, next_observation=observation, next_action=action, terminal=False)
        self._pending = (observation, action, reward)

    def clip_episode(self, terminated: bool) -> None:
        """Ends the episode. Without termination, its last step is left out, as the next observation is unknown."""
        if self._pending is not None and terminated:
            observation, action, _ = self._pending
            self._write(self._pending, np.zeros_like(observation), np.zeros_like(action), terminal=True)
        elif self._pending is not None and self._growing:
            self._episodes.leave_out(float(self._pending[2][0]))
        self._pending, self._growing = None, False

    def append_episode(self, episode: EpisodeBase) -> None:
        """A whole episode of d3rlpy, while none is played."""
        n = episode.transition_count
        observations, actions = np.asarray(episode.observations), np.asarray(episode.actions)
        next_observations, next_actions = (
            np.concatenate([rows[1 : n + 1], np.zeros_like(rows[:1])])[:n] for rows in (observations, actions)
        )
        terminals = np.zeros((n, 1), dtype=np.float32)
        terminals[-1] = episode.terminated
        self._episodes.begin()
        self._episodes.leave_out(float(np.asarray(episode.rewards)[n:].sum()))
        self._append_rows(
            observations=observations[:n],
            actions=actions[:n].reshape(n, -1),
            rewards=np.asarray(episode.rewards)[:n].reshape(n, 1),
            next_observations=next_observations,
            next_actions=next_actions.reshape(n, -1),
            terminals=terminals,
        )

    def _write(self, step: tuple[Array, Array, Array], next_observation: Array, next_action: Array, terminal: bool) -> None:
        if not self._growing:
            self._episodes.begin()
            self._growing = True
        observation, action, reward = step
        self._append_rows(
            observations=observation[None],
            actions=action[None],
            rewards=reward[None],
            next_observations=next_observation[None],
            next_actions=next_action[None],
            terminals=np.full((1, 1), terminal, dtype=np.float32),
        )

    def _append_rows(self, **rows: Array) -> None:
        n, p = len(rows["rewards"]), self._context_size
        if self._context == "append":
            contexts = np.ascontiguousarray(rows["observations"][:, -p:], dtype=np.float32)
            ids = self._context_ids.of(contexts)
        else:
            contexts, ids = np.full((n, p), np.nan, dtype=np.float32), np.full(n, -1)
        self._episodes.append(contexts=contexts, context_ids=ids, **rows)
