"""Trajectories for sequence learners such as Decision Transformer, cut out of a table for a whole batch at once.

Dimensions: N rows, E episodes, B batch, L length of a trajectory.
"""

import numpy as np
from d3rlpy.dataset import DatasetInfo, PartialTrajectory, TrajectoryMiniBatch

from offctx.buffers.episode_index import EpisodeIndex
from offctx.envs.base import Array


class TrajectorySlicer:
    """Cuts trajectories that end at given rows; d3rlpy's `BasicTrajectorySlicer` cuts one at a time.

    Args:
        episodes: of the buffer.
    """

    def __init__(self, episodes: EpisodeIndex) -> None:
        self._episodes = episodes
        self._reward_sums, self._places = np.zeros(1), np.zeros(0, np.int64)
        self._summed = (0, 0)  # how many rows were overwritten, and how many there were, when the rewards were summed

    def batch(self, ends: Array, length: int) -> TrajectoryMiniBatch:
        """The last L steps up to each of the given rows (B,), padded with zeros before the start of an episode."""
        episodes, table = self._episodes.of(ends), self._episodes.table
        starts, strides = (bounds[episodes][:, None] for bounds in (self._episodes.starts, self._episodes.strides))
        rows = ends[:, None] + strides * np.arange(1 - length, 1)  # (B, L)
        mask = rows >= np.maximum(starts, 0)
        rows = np.maximum(rows, 0)
        sums, places = self._sums_of_rewards()
        after_last = places[self._episodes.lasts[episodes]] + 1
        returns_to_go = (sums[after_last] + self._episodes.left_out_rewards[episodes])[:, None] - sums[places[rows]]

        def padded(values: Array) -> Array:
            return np.where(mask.reshape(*mask.shape, *[1] * (values.ndim - 2)), values, 0).astype(np.float32)

        def column(name: str) -> Array:
            values = table.take(name, rows.ravel())
            return padded(values.reshape(*rows.shape, *values.shape[1:]))

        return TrajectoryMiniBatch(
            observations=column("observations"),
            actions=column("actions"),
            rewards=column("rewards"),
            returns_to_go=padded(returns_to_go[..., None]),
            terminals=column("terminals"),
            timesteps=padded((rows - starts) // strides + 1),
            masks=mask.astype(np.float32),
            length=length,
        )

    def _sums_of_rewards(self) -> tuple[Array, Array]:
        """Sums of rewards over the rows sorted by episode, made again only when rows have changed.

        Returns:
            The sum of the rewards before each place in that order, and of all (N + 1,); and the place of each row (N,).
        """
        table = self._episodes.table
        if self._summed != (table.first, table.size):
            order = np.argsort(table["episode"], kind="stable")
            self._places = np.empty(table.size, np.int64)
            self._places[order] = np.arange(table.size)
            self._reward_sums = np.concatenate([[0.0], np.cumsum(table["rewards"][order, 0], dtype=np.float64)])
            self._summed = (table.first, table.size)
        return self._reward_sums, self._places


def first_trajectory(batch: TrajectoryMiniBatch, info: DatasetInfo) -> PartialTrajectory:
    """The first trajectory of a batch as d3rlpy's object."""
    return PartialTrajectory(
        observations=np.asarray(batch.observations)[0],
        actions=batch.actions[0].astype(info.action_signature.dtype[0]),
        rewards=batch.rewards[0],
        returns_to_go=batch.returns_to_go[0],
        terminals=batch.terminals[0],
        timesteps=batch.timesteps[0].astype(np.int32),
        masks=batch.masks[0],
        length=batch.length,
    )
