"""A buffer's transitions, checked, with their place in their episode."""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from offctx.buffers.replay_buffer import ContextualReplayBuffer
from offctx.errors import LinearError


class EpisodeData(NamedTuple):
    """A buffer's transitions, checked, with their place in their episode.

    Attributes:
        observations, next_observations: float32 (N, D), as the buffer has them.
        actions: (N,).
        rewards: (N,).
        alive: 0 where the episode terminated, else 1, (N,).
        environments: 0..n-1, in order of the context ids; all 0 where merged, (N,).
        episodes: which of its environment's episodes it belongs to, from 0, (N,).
        steps: from 0, (N,).
    """

    observations: Tensor
    next_observations: Tensor
    actions: Tensor
    rewards: Tensor
    alive: Tensor
    environments: Tensor
    episodes: Tensor
    steps: Tensor

    @classmethod
    def of(cls, buffer: ContextualReplayBuffer, *, merged: bool) -> "EpisodeData":
        """All transitions of a buffer; as if from one environment where merged.

        Raises:
            LinearError: no transitions, an augmentation, n-step returns, overwritten transitions, values that are not finite,
                or transitions without a context id though they are not to be merged.
        """
        table = buffer.table
        _check(buffer)
        first = np.flatnonzero(np.diff(table["episode"], prepend=-1))  # of each episode
        environments = np.zeros(len(first), dtype=np.int64) if merged else _environments(table["context_ids"])[first]
        order = np.argsort(environments, kind="stable")
        rank = np.empty_like(order)
        rank[order] = _counted(environments[order])
        lengths = np.diff(first, append=table.size)
        columns = {
            "observations": table["observations"],
            "next_observations": table["next_observations"],
            "actions": table["actions"][:, 0].astype(np.int64),
            "rewards": table["rewards"][:, 0],
            "alive": 1 - table["terminals"][:, 0],
            "environments": np.repeat(environments, lengths),
            "episodes": np.repeat(rank, lengths),
            "steps": np.arange(table.size) - np.repeat(first, lengths),
        }
        tensors = {name: torch.from_numpy(np.array(column)) for name, column in columns.items()}
        return cls(**tensors | {name: tensors[name].double() for name in ("rewards", "alive")})

    @property
    def n(self) -> int:
        """How many environments."""
        return int(self.environments.max()) + 1

    def where(self, chosen: Tensor) -> "EpisodeData":
        """The transitions where `chosen` (N,)."""
        return EpisodeData(*(column[chosen] for column in self))

    def split_by_step(self, horizon: int) -> "EpisodeData":
        """Step h keeps episodes tau H + h, tau = 0..floor(K / H) - 1, of each environment and no others (Algorithm 3).

        Raises:
            LinearError: an environment has fewer than H episodes.
        """
        counts = torch.bincount(self.environments[self.steps == 0])
        if int(counts.min()) < horizon:
            raise LinearError(
                f"data splitting gives each of the {horizon} steps episodes of its own: expected at least {horizon} episodes "
                f"in each environment; found {int(counts.min())}. Set split=False"
            )
        used = (counts // horizon * horizon)[self.environments]
        return self.where((self.episodes < used) & (self.episodes % horizon == self.steps))


def _check(buffer: ContextualReplayBuffer) -> None:
    table = buffer.table
    if table.size == 0:
        raise LinearError("expected a buffer with transitions; found an empty one")
    if buffer.augmentation is not None:
        name = getattr(buffer.augmentation, "name", type(buffer.augmentation).__name__)
        raise LinearError(
            f"{name} augments sampled batches, and a closed-form fit samples none: make the buffer without an augmentation"
        )
    if buffer.multi_step is not None:
        raise LinearError("a closed-form fit reads single steps: make the buffer without a transition_picker of several steps")
    if table.first:
        raise LinearError(
            f"{table.first} transitions have been overwritten, so that steps cannot be counted from their episode's start: use "
            f"a buffer without a capacity, or with a larger one"
        )
    for name in ("observations", "next_observations", "rewards"):
        not_finite = ~np.isfinite(table[name])
        if not_finite.any():
            raise LinearError(
                f"expected finite {name}; found nan or inf in {not_finite.sum()} places, first in row "
                f"{not_finite.nonzero()[0][0]}"
            )


def _environments(context_ids: NDArray[Any]) -> NDArray[Any]:
    """0..n-1, in order of the context ids."""
    if (context_ids < 0).any():
        raise LinearError(
            f"expected every transition to have a context id; {(context_ids < 0).sum()} of {len(context_ids)} have none: steps "
            f"appended online have one only after buffer.connect(env)"
        )
    return np.unique(context_ids, return_inverse=True)[1]


def _counted(groups: NDArray[Any]) -> NDArray[Any]:
    """0, 1, 2, ... within each run of equal numbers."""
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    return np.arange(len(groups)) - np.repeat(starts, np.diff(starts, append=len(groups)))
