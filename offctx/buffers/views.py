"""The transitions of a buffer as d3rlpy's objects, each made only when one asks for it."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from d3rlpy.dataset import BufferProtocol, DatasetInfo, EpisodeBase, Transition

from offctx.buffers.episode import ContextualEpisode
from offctx.buffers.episode_index import EpisodeIndex
from offctx.envs.base import Array
from offctx.errors import DatasetError


def episode_views(episodes: EpisodeIndex, info: DatasetInfo) -> list[EpisodeBase]:
    """All episodes, oldest first."""
    kept = np.flatnonzero(episodes.lasts >= 0)  # among episodes played side by side, a younger one may be overwritten first
    return [ContextualEpisode(episodes.table, info, episodes.rows(episode)) for episode in kept.tolist()]


def transition_view(episodes: EpisodeIndex, info: DatasetInfo, row: int) -> Transition:
    """One transition, with the rewards from there to the end of its episode."""
    episode = int(episodes.of(np.array([row]))[0])
    rows = episodes.rows(episode)
    rewards, left_out = episodes.table.take("rewards", rows[rows >= row]), episodes.left_out_rewards[episode]
    action_type = info.action_signature.dtype[0]

    def column(name: str) -> Array:
        return episodes.table.span(name, row, row + 1)[0]  # type: ignore[no-any-return]  # one row of it

    return Transition(
        observation=column("observations"),
        action=column("actions").astype(action_type),
        reward=rewards[0],
        next_observation=column("next_observations"),
        next_action=column("next_actions").astype(action_type),
        terminal=float(column("terminals")[0]),
        interval=1,
        rewards_to_go=np.append(rewards, [[left_out]], axis=0).astype(np.float32) if left_out else rewards,
    )


class TransitionSequence(Sequence[Transition]):
    """The transitions of a batch; algorithms with returns-to-go look at them.

    Args:
        transition: makes the object of a row.
        rows: of the batch (B,).
    """

    def __init__(self, transition: Callable[[int], Transition], rows: Array) -> None:
        self._transition, self._rows = transition, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return TransitionSequence(self._transition, self._rows[i])
        return self._transition(int(self._rows[i]))


class BufferView(BufferProtocol):
    """What d3rlpy calls a buffer: pairs (episode, index within it).

    Args:
        episodes: of the buffer.
        info: shapes and types of the buffer.
    """

    def __init__(self, episodes: EpisodeIndex, info: DatasetInfo) -> None:
        self._episodes, self._info = episodes, info

    def append(self, episode: EpisodeBase, index: int) -> None:
        """Not possible transition by transition."""
        raise DatasetError("append whole episodes by ContextualReplayBuffer.append_episode, or steps by its append")

    @property
    def episodes(self) -> Sequence[EpisodeBase]:
        """All episodes."""
        return episode_views(self._episodes, self._info)

    @property
    def transition_count(self) -> int:
        """The number of transitions, N."""
        return self._episodes.table.size

    def __len__(self) -> int:
        return self.transition_count

    def __getitem__(self, index: int) -> tuple[EpisodeBase, int]:
        rows = self._episodes.rows(int(self._episodes.of(np.array([index]))[0]))
        return ContextualEpisode(self._episodes.table, self._info, rows), int(np.searchsorted(rows, index))
