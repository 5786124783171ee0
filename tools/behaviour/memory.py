"""All transitions of an online training in arrays. d3rlpy's online buffer would make a Python object of each transition.

Dimensions: T steps of the training, o observation, a action.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from d3rlpy.dataset import TransitionMiniBatch
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass
class TransitionMemory:
    """Every transition so far. Rows from `size` on are not filled yet."""

    observations: Floats  # (T, o)
    actions: Floats  # (T, a)
    rewards: Floats  # (T, 1)
    next_observations: Floats  # (T, o)
    terminals: Floats  # (T, 1)
    rng: np.random.Generator
    size: int = 0

    @classmethod
    def empty(cls, steps: int, o: int, a: int, seed: int) -> "TransitionMemory":
        """A memory for `steps` transitions."""

        def zeros(width: int) -> Floats:
            return np.zeros((steps, width), dtype=np.float32)

        return cls(zeros(o), zeros(a), zeros(1), zeros(o), zeros(1), np.random.default_rng(seed))

    def add(self, *transition: Any) -> None:
        """Store (observation, action, reward, next observation, terminal) in the next row."""
        for array, value in zip(self._arrays(), transition, strict=True):
            array[self.size] = value
        self.size += 1

    def sample(self, batch_size: int) -> TransitionMiniBatch:
        """Draw a batch uniformly with replacement."""
        index = self.rng.integers(self.size, size=batch_size)
        observations, actions, rewards, next_observations, terminals = (array[index] for array in self._arrays())
        return TransitionMiniBatch(
            observations, actions, rewards, next_observations,
            next_actions=actions,  # SAC draws its own
            terminals=terminals, intervals=np.ones_like(rewards), transitions=[],
        )  # fmt: skip

    def _arrays(self) -> tuple[Floats, ...]:
        return self.observations, self.actions, self.rewards, self.next_observations, self.terminals
