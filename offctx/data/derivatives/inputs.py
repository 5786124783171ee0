"""What the simulator needs to take each transition of a dataset again, and to differentiate it.

Dimensions: N transitions, R = N + E rows, E episodes, n transitions of one batch, s state, a action, p context, z noise.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from offctx.contexts.space import Contexts
from offctx.data.episodes import Episodes
from offctx.data.layout import CONTEXT, NOISE, STATE
from offctx.data.storage.scratch import release
from offctx.envs.base import Array

States = Callable[[Any], Array]  # from transitions, as a slice or as numbers (n,), to simulator states (n, s)


@dataclass(frozen=True)
class SimulationInputs:
    """The arguments of `simulate` and `derivatives` for N transitions, and where their derivatives are stored.

    Attributes:
        states: from transitions to simulator states.
        actions: (N, a); (N,) or (N, 1) where they are discrete.
        contexts: (N, p).
        noise: (N, z), or None.
        dtype: of the stored derivatives, that of the observations.
        discrete: whether actions are converted to integers (n,).
        rows: the row of each transition's derivatives among `size` rows (N,); None where it is the transition's own number.
        size: R where there are `rows`, else N.
        state_arrays: from which `states` are made.
    """

    states: States
    actions: Array
    contexts: Contexts
    noise: Array | None
    dtype: Any
    size: int
    discrete: bool = False
    rows: Array | None = None
    state_arrays: tuple[Array, ...] = ()

    @classmethod
    def of_collected(cls, episodes: Episodes) -> "SimulationInputs":
        """The inputs of all transitions of `episodes`, whose infos hold states, contexts and what noise there is."""
        first, infos = episodes.first_rows, episodes.infos
        states, observations = infos[STATE], episodes.observations
        return cls(
            states=lambda index: states[first[index]],
            actions=episodes.actions,
            contexts=infos[CONTEXT][first],
            noise=infos[NOISE][first + 1] if NOISE in infos else None,
            dtype=observations.dtype,
            size=len(observations),
            rows=first + 1,
        )

    def __len__(self) -> int:
        return len(self.actions)

    def batch(self, index: Any) -> tuple[Array, Array, Contexts, Array | None]:
        """States, actions, contexts and noise of the transitions at `index` (a slice or integers): `simulate`'s arguments.

        They are copies. The system may take back the memory of arrays that are mapped from files.
        """
        actions = np.array(self.actions[index])
        if self.discrete:
            actions = actions.reshape(len(actions)).astype(np.int64)
        noise = None if self.noise is None else np.array(self.noise[index])
        batch = np.array(self.states(index)), actions, np.array(self.contexts[index]), noise
        release(self.actions, self.contexts, *self.state_arrays, *([] if self.noise is None else [self.noise]))
        return batch

    def stored_at(self, begin: int, end: int) -> Any:
        """The rows of the derivatives of transitions [begin, end)."""
        return slice(begin, end) if self.rows is None else self.rows[begin:end]

    def sample(self, most: int) -> Array:
        """Indices of at most `most` transitions, evenly over the dataset."""
        return np.unique(np.linspace(0, len(self) - 1, most).astype(np.int64))
