"""Transitions over several steps, for whole batches at once, as d3rlpy's MultiStepTransitionPicker makes them one by one.

    r = sum_{k < K} gamma^k r_{t+k},    s' = s_{t+K},    K = min(n, steps from t to the end of the episode)

Where the environment ended the episode, next observations stay the true ones; d3rlpy has zeros there, which no target uses.

Dimensions: B batch, n steps, D what the agent sees, a action.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np
from d3rlpy.dataset import Episode, EpisodeBase, MultiStepTransitionPicker, Transition, TransitionPickerProtocol

from offctx.buffers.episode_index import EpisodeIndex
from offctx.checks import whole_number
from offctx.envs.base import Array
from offctx.errors import DatasetError


@dataclass(frozen=True)
class MultiStep:
    """What transitions over several steps hold.

    Attributes:
        steps: n.
        gamma: the discount of one step, which should be that of the learner.

    Raises:
        DatasetError: n is no whole number from 1 on, or the discount is not in [0, 1].
    """

    steps: int
    gamma: float

    def __post_init__(self) -> None:
        whole_number(self.steps, "n_steps", 1, DatasetError)
        if not 0 <= self.gamma <= 1:
            raise DatasetError(f"gamma must be in [0, 1]; found {self.gamma!r}")

    @classmethod
    def of(cls, picker: MultiStepTransitionPicker) -> "MultiStep":
        """The settings of d3rlpy's picker, which has no public names for them."""
        return cls(picker._n_steps, picker._gamma)

    def columns(self, episodes: EpisodeIndex, rows: Array) -> dict[str, Array]:
        """What the steps after the first one change in a batch.

        Args:
            episodes: of the buffer.
            rows: in which the transitions begin (B,).

        Returns:
            `rewards` (B, 1), `next_observations` (B, D), `next_actions` (B, a), `terminals` (B, 1) and `intervals`, which is K,
            (B, 1); all float32.
        """
        table = episodes.table
        intervals = np.minimum(self.steps, episodes.steps_after(rows) + 1)[:, None]
        strides = episodes.strides_of(rows)[:, None]
        steps = np.arange(self.steps)
        used = steps < intervals
        rewards = table.take("rewards", np.where(used, rows[:, None] + strides * steps, 0).ravel()).reshape(used.shape)
        returns = np.where(used, rewards * self.gamma**steps, 0).sum(axis=1, keepdims=True)
        last = rows + strides[:, 0] * (intervals[:, 0] - 1)
        changed = {name: table.take(name, last) for name in ("next_observations", "next_actions", "terminals")}
        return changed | {"rewards": returns.astype(np.float32), "intervals": intervals.astype(np.float32)}

    def lengthened(self, first: Transition, episodes: EpisodeIndex, row: int) -> Transition:
        """The transition that begins with a single step.

        Args:
            first: the single step.
            episodes: of the buffer.
            row: of the single step.
        """
        columns = {name: column[0] for name, column in self.columns(episodes, np.array([row])).items()}
        return dataclasses.replace(
            first,
            reward=columns["rewards"],
            next_observation=columns["next_observations"],
            next_action=columns["next_actions"].astype(first.action.dtype),
            terminal=float(columns["terminals"][0]),
            interval=int(columns["intervals"][0]),
        )


@dataclass(frozen=True)
class EpisodePicker(TransitionPickerProtocol):
    """d3rlpy's picker for the episodes of a buffer of offctx, in which the last step of a truncated episode counts too.

    Attributes:
        multi_step: the settings.
    """

    multi_step: MultiStep

    def __call__(self, episode: EpisodeBase, index: int) -> Transition:
        """The transition of d3rlpy that begins at a step of an episode."""
        whole = Episode.deserialize(episode.serialize())
        return MultiStepTransitionPicker(self.multi_step.steps, self.multi_step.gamma)(whole, index)
