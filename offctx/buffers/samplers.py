"""How rows are drawn."""

from dataclasses import dataclass

import numpy as np

from offctx.envs.base import Array


@dataclass(frozen=True)
class Strata:
    """Rows by label: those of one label lie together in `rows`, from its start on."""

    rows: Array
    starts: Array
    counts: Array

    @classmethod
    def of(cls, labels: Array) -> "Strata":
        order = np.argsort(labels, kind="stable")[np.count_nonzero(labels < 0) :]
        _, starts, counts = np.unique(labels[order], return_index=True, return_counts=True)
        return cls(order, starts, counts)

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """n rows, with replacement."""
        each, rest = divmod(n, len(self.counts))
        chosen = np.concatenate([np.repeat(np.arange(len(self.counts)), each), rng.permutation(len(self.counts))[:rest]])
        return np.asarray(self.rows[self.starts[chosen] + rng.integers(self.counts[chosen])])
