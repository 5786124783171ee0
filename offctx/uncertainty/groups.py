"""Data in groups of unequal size, such as one group for each context, step and discrete action.

Dimensions: N rows, n groups, d features; "batch" are dimensions whose product is n, such as (contexts, actions).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from offctx.uncertainty.arrays import chunks
from offctx.uncertainty.gram import check_groups, gram_matrices


@dataclass(frozen=True, eq=False)
class GroupedFeatures:
    """Rows of data and the group of each; features are computed when a quantifier is fitted.

    Attributes:
        features: a ready feature map of size d; see `admit_features`.
        observations: (N, o).
        actions: (N, a), or None where features are of the observation alone.
        groups: the group of each row, integers in [0, n), (N,).
        batch: the dimensions of the groups; their product is n.
    """

    features: nn.Module
    observations: Tensor
    actions: Tensor | None
    groups: Tensor
    batch: tuple[int, ...]

    def gram(self) -> Tensor:
        """sum phi phi^T over the rows of each group, float64: (*batch, d, d)."""
        grams = gram_matrices(self.features, self.observations, self.actions, self.groups, math.prod(self.batch))
        return grams.reshape(*self.batch, *grams.shape[1:])

    def padded(self) -> tuple[Tensor, Tensor]:
        """All features (*batch, K, d) and counts (*batch, K), K rows of the largest group; rows that fill up have count 0."""
        n = math.prod(self.batch)
        check_groups(self.groups, len(self.observations), n)
        phi = self._all_features()
        sizes = torch.bincount(self.groups, minlength=n)
        order = torch.argsort(self.groups, stable=True)
        place = torch.arange(len(order), device=order.device) - (sizes.cumsum(0) - sizes)[self.groups[order]]
        widest = int(sizes.max()) if n else 0
        features = phi.new_zeros(n, widest, phi.shape[1])
        counts = phi.new_zeros(n, widest)
        features[self.groups[order], place] = phi[order]
        counts[self.groups[order], place] = 1
        return features.reshape(*self.batch, widest, -1), counts.reshape(*self.batch, widest)

    @torch.no_grad()
    def _all_features(self) -> Tensor:
        parts = [
            self.features(self.observations[part], None if self.actions is None else self.actions[part])
            for part in chunks(max(1, len(self.observations)), int(getattr(self.features, "size", 1)))
        ]
        return torch.cat(parts)
