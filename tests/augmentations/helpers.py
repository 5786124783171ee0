"""What the tests of CSE share."""

from typing import Any

import numpy as np

from offctx import CSE


def batch_of(dataset: Any, context: Any = "append") -> Any:
    return dataset.replay_buffer(context=context).batch(np.arange(0, len(dataset), 2))


ID = "offctx/SimpleDirection-v0"


class Linear:
    """Gaussian about gain * context with deviation spread * (1 + |c_x|), both (a,) = (2,); draws its mean."""

    def __init__(self, gain: float = 0.4, spread: float = 0.5) -> None:
        self.gain, self.spread = gain, spread

    def gaussian(self, observations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        contexts = observations[:, 2:].astype(np.float64)
        return self.gain * contexts, self.spread * (1 + np.abs(contexts[:, :1])) * np.ones((1, 2))

    def sample_action(self, observations: np.ndarray) -> np.ndarray:
        return self.gaussian(observations)[0]


def rows_of(dataset: Any, cse: CSE, context: Any = "append") -> Any:
    return dataset.replay_buffer(context=context, augmentation=cse).batch(np.arange(len(dataset)))


def by_hand(batch: Any, moved: Any, states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """SimpleDirection in the moved context with the moved action from the given states (B, 2)."""
    after = states + moved.actions.astype(np.float64) + moved.contexts
    return after, (after * moved.contexts).sum(axis=1)
