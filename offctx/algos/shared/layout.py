"""How the rows of a batch lie side by side by group, so that all critics are called at once."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from offctx.envs.base import Array


@dataclass(frozen=True)
class Layout:
    """How the rows of a batch lie side by side by group, so that all critics are called at once.

    Attributes:
        rows: the batch row in each slot (n, m); slots to spare repeat some row.
        mask: which slots are filled (n, m).
        slots: the place of each batch row among the n m slots (B,).
        counts: the rows of each row's own group (B,).
        groups: how many groups have rows.
    """

    rows: Tensor
    mask: Tensor
    slots: Tensor
    counts: Tensor
    groups: int

    @classmethod
    def of(cls, groups: Array | None, n: int, size: int, device: str) -> "Layout":
        """For the groups (B,) of a batch of `size` rows."""
        if groups is None or n == 1:
            every = torch.arange(size, device=device)
            return cls(
                every[None], torch.ones(1, size, dtype=torch.bool, device=device), every, torch.full_like(every, size), 1
            )
        order = np.argsort(groups, kind="stable")
        counts = np.bincount(groups, minlength=n)
        starts = np.cumsum(counts) - counts
        slot = np.arange(counts.max())
        rows = order[np.minimum(starts[:, None] + slot, size - 1)]
        within = np.empty(size, dtype=np.int64)
        within[order] = np.arange(size) - starts[groups[order]]

        def on(x: Array) -> Tensor:
            return torch.from_numpy(x).to(device)

        slots = groups * len(slot) + within
        return cls(on(rows), on(slot < counts[:, None]), on(slots), on(counts[groups]), int((counts > 0).sum()))

    def pack(self, x: Tensor) -> Tensor:
        """From (B, ...) to (n, m, ...)."""
        return x[None] if len(self.rows) == 1 else x[self.rows]

    def unpack(self, x: Tensor, lead: int = 0) -> Tensor:
        """From (*lead, n, m, ...) to (*lead, B, ...)."""
        return x.squeeze(lead) if len(self.rows) == 1 else x.flatten(lead, lead + 1).index_select(lead, self.slots)
