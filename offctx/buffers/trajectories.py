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
        self._reward_sums = np.zeros(1)
        self._summed = (0, 0)  # how many rows were overwritten, and how many there were, when the rewards were summed

    def batch(self, ends: Array, length: int) -> TrajectoryMiniBatch:
        """The last L steps up to each of the given rows (B,), padded with zeros before the start of an episode."""
        episodes, table = self._episodes.of(ends), self._episodes.table
        starts, stops = self._episodes.starts[episodes], self._episodes.stops[episodes]
        rows = ends[:, None] + np.arange(1 - length, 1)  # (B, L)
        mask = rows >= np.maximum(starts, 0)[:, None]
        rows = np.maximum(rows, 0)
        sums = self._sums_of_rewards()
        returns_to_go = (sums[stops] + np.asarray(self._episodes.left_out_rewards)[episodes])[:, None] - sums[rows]

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
            timesteps=padded(rows - starts[:, None] + 1),
            masks=mask.astype(np.float32),
            length=length,
        )

    def _sums_of_rewards(self) -> Array:
        """The sum of the rewards of the rows before each row, and of all (N + 1,); summed again only when rows have changed."""
        table = self._episodes.table
        if self._summed != (table.first, table.size):
            self._reward_sums = np.concatenate([[0.0], np.cumsum(table["rewards"][:, 0], dtype=np.float64)])
            self._summed = (table.first, table.size)
        return self._reward_sums


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
