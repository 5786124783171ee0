"""What the simulator needs to take each transition of a dataset again, and to differentiate it.

Dimensions: N transitions, R = N + E rows, E episodes, n transitions of one batch, s state, a action, p context, z noise.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from offctx.contexts.space import Contexts
from offctx.data.episodes import Episodes
from offctx.data.layout import NOISE
from offctx.envs.base import Array

States = Callable[[Array], Array]  # from rows (n,) of R to simulator states (n, s)


@dataclass(frozen=True)
class SimulationInputs:
    """The arguments of `simulate` and `derivatives` for N transitions, and where their derivatives are stored.

    Attributes:
        rows: the row of each transition's observation among R (N,); its derivatives are stored in the next row.
        states: from rows (n,) to simulator states (n, s).
        actions: (N, a), or integers (N,) where Discrete.
        contexts: (N, p).
        noise: (N, z), or None.
        size: R.
        dtype: of the stored derivatives, that of the observations.
    """

    rows: Array
    states: States
    actions: Array
    contexts: Contexts
    noise: Array | None
    size: int
    dtype: Any

    @classmethod
    def of(cls, episodes: Episodes, states: States, contexts: Contexts) -> "SimulationInputs":
        """The inputs of all transitions of `episodes`, in contexts (N, p)."""
        first, infos = episodes.first_rows, episodes.infos
        noise = infos[NOISE][first + 1] if NOISE in infos else None
        observations = episodes.observations
        return cls(first, states, episodes.actions, contexts, noise, len(observations), observations.dtype)

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, index: Any) -> tuple[Array, Array, Contexts, Array | None]:
        """States, actions, contexts and noise of the transitions at `index` (a slice or integers): `simulate`'s arguments."""
        noise = None if self.noise is None else self.noise[index]
        return self.states(self.rows[index]), self.actions[index], self.contexts[index], noise

    def sample(self, most: int) -> Array:
        """Indices of at most `most` transitions, evenly over the dataset."""
        return np.unique(np.linspace(0, len(self) - 1, most).astype(np.int64))
