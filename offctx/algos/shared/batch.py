"""The tensors of one update: a batch on the device, with the contexts and groups of its rows.

Dimensions: B batch, o observation, a action.
"""

from dataclasses import dataclass, replace
from typing import final

import torch
from d3rlpy.torch_utility import TorchMiniBatch
from torch import Tensor

from offctx.algos.shared.context_index import ContextIndex
from offctx.algos.shared.layout import BatchLayout
from offctx.envs.base import Array
from offctx.errors import AlgorithmError

_TOLERANCE = 1e-4  # tolerance of reward bounds, relative to their range


@dataclass(frozen=True)
class GroupedBatch:
    """The tensors of one update.

    Attributes:
        observations: (B, o).
        actions: (B, a), or (B, 1) with discrete actions, as d3rlpy has them.
        rewards: (B,).
        next_observations: (B, o).
        terminals: 1 where the episode terminated, else 0 (B,).
        discounts: gamma, to the power of the steps between the two observations (B,).
        contexts: the index of each row's context (B,); None where contexts are not told apart.
        layout: which rows belong to which group.
    """

    observations: Tensor
    actions: Tensor
    rewards: Tensor
    next_observations: Tensor
    terminals: Tensor
    discounts: Tensor
    contexts: Tensor | None
    layout: BatchLayout

    @property
    def size(self) -> int:
        """The batch size B."""
        return len(self.rewards)

    def as_single_group(self, rows: Tensor | None = None) -> "GroupedBatch":
        """The given rows, or all, as a batch in which neither groups nor contexts are told apart."""
        names = ("observations", "actions", "rewards", "next_observations", "terminals", "discounts")
        columns = {} if rows is None else {name: getattr(self, name)[rows] for name in names}
        size = self.size if rows is None else len(rows)
        return replace(self, **columns, contexts=None, layout=BatchLayout.single(size, str(self.rewards.device)))


@final
class BatchGrouping:
    """Finds the contexts and groups of batches, and remembers those of the last one.

    A balanced sampler gives every batch the same arrangement. Its layout is then computed once, and every later batch has
    tensors of the same shapes.

    Args:
        index: from context ids to contexts and groups.
        gamma: the discount of one step.
        device: where batches are.
    """

    def __init__(self, index: ContextIndex, gamma: float, device: str) -> None:
        self._index, self._gamma, self._device = index, gamma, device
        self._key: tuple[int, bytes | None] | None = None
        self._contexts: Tensor | None = None
        self._groups: Array | None = None
        self._layout = BatchLayout.single(0, device)

    def of(self, batch: TorchMiniBatch) -> tuple[GroupedBatch, Array | None]:
        """The tensors of an update, and the group of each row (B,), None where there is one group.

        Raises:
            AlgorithmError: several groups, and context ids that are missing or unknown.
        """
        self._arrange(batch)
        tensors = GroupedBatch(
            observations=batch.observations,
            actions=batch.actions,
            rewards=batch.rewards[:, 0],
            next_observations=batch.next_observations,
            terminals=batch.terminals[:, 0],
            discounts=(self._gamma**batch.intervals)[:, 0],
            contexts=self._contexts,
            layout=self._layout,
        )
        return tensors, self._groups

    def _arrange(self, batch: TorchMiniBatch) -> None:
        ids, size = getattr(batch.numpy_batch, "context_ids", None), len(batch.rewards)
        key = (size, None if ids is None else ids.tobytes())
        if key == self._key:
            return
        contexts, self._groups = self._index.of(batch.numpy_batch)
        self._contexts = None if contexts is None else torch.from_numpy(contexts).to(self._device)
        self._layout = BatchLayout.of(self._groups, self._index.groups, size, self._device)
        self._key = key


def check_rewards(rewards: Tensor, bounds: tuple[float, float] | None) -> None:
    """That rewards lie within their bounds, up to rounding."""
    if bounds is None or not rewards.numel():
        return
    slack = _TOLERANCE * (bounds[1] - bounds[0])
    least, most = float(rewards.min()), float(rewards.max())
    if least < bounds[0] - slack or most > bounds[1] + slack:
        raise AlgorithmError(
            f"expected rewards within reward_bounds, as the learner sees them {bounds[0]:g} to {bounds[1]:g}; found {least:g} "
            f"to {most:g}"
        )
