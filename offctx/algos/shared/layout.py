"""The rows of a batch, put side by side by group, so that the networks of all groups are called at once.

Dimensions: B batch, n groups, m slots of a group (as many as the largest group of the batch needs).
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from offctx.envs.base import Array


@dataclass(frozen=True)
class BatchLayout:
    """Maps rows (B, ...) to groups of slots (n, m, ...) and back.

    Attributes:
        rows: the batch row in each slot (n, m); padding slots repeat a row.
        mask: which slots hold a row of their group (n, m).
        slots: the place of each batch row among the n m slots (B,).
        counts: how many rows the group of each row has (B,).
        present: how many groups have rows.
        in_order: whether row k lies in slot k and there is no padding, so that packing is a reshape.
    """

    rows: Tensor
    mask: Tensor
    slots: Tensor
    counts: Tensor
    present: int
    in_order: bool

    @classmethod
    def single(cls, size: int, device: str) -> "BatchLayout":
        """Of a batch of `size` rows that all belong to one group."""
        rows = torch.arange(size, device=device)
        mask = torch.ones(1, size, dtype=torch.bool, device=device)
        return cls(rows[None], mask, rows, torch.full_like(rows, size), 1, True)

    @classmethod
    def of(cls, groups: Array | None, n: int, size: int, device: str) -> "BatchLayout":
        """Of a batch of `size` rows that belong to the given ones of n groups (B,)."""
        if groups is None or n == 1:
            return cls.single(size, device)
        order = np.argsort(groups, kind="stable")
        counts = np.bincount(groups, minlength=n)
        starts = np.cumsum(counts) - counts
        slot = np.arange(counts.max())
        rows = order[np.minimum(starts[:, None] + slot, size - 1)]
        within = np.empty(size, dtype=np.int64)
        within[order] = np.arange(size) - starts[groups[order]]

        def on(x: Array) -> Tensor:
            return torch.from_numpy(x).to(device)

        return cls(
            rows=on(rows),
            mask=on(slot < counts[:, None]),
            slots=on(groups * len(slot) + within),
            counts=on(counts[groups]),
            present=int((counts > 0).sum()),
            in_order=np.array_equal(rows.ravel(), np.arange(size)),
        )

    def pack(self, x: Tensor) -> Tensor:
        """From (B, ...) to (n, m, ...)."""
        return x.reshape(*self.rows.shape, *x.shape[1:]) if self.in_order else x[self.rows]

    def unpack(self, x: Tensor, lead: int = 0) -> Tensor:
        """From (*lead, n, m, ...) to (*lead, B, ...)."""
        slots = x.flatten(lead, lead + 1)
        return slots if self.in_order else slots.index_select(lead, self.slots)
