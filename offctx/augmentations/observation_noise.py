"""Gaussian noise on observations, and the example of the augmentation protocol.

Source: arXiv 2103.06326 (S4RL), the zero-mean Gaussian augmentation of states. For a transition (s, a, r, s')

    s_bar  = s + eps,      s'_bar = s' + eps',      eps, eps' ~ N(0, diag(std)^2) independent

and the action, the reward and the context stay as they are.

Departure from the paper: the standard deviation may differ between coordinates, which have units.

Dimensions: B batch, o observation, p context.
"""

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from offctx.buffers.augmentation import Augmentation
from offctx.buffers.windows import change_windows
from offctx.checks import finite_copy
from offctx.errors import DatasetError

if TYPE_CHECKING:
    from offctx.buffers.batch import ContextualMiniBatch


class ObservationNoise(Augmentation):
    """Adds Gaussian noise to observations and next observations, and none to contexts that are appended to them.

    Args:
        std: the standard deviation of the noise in the units of the observation, >= 0: one number, or one per coordinate (o,).
            A coordinate with 0 stays as it is.

    Raises:
        DatasetError: `std` is negative, not finite, or no vector; or, at the call, not o numbers.

    Source:
        arXiv 2103.06326, S4RL with Gaussian noise.

    Example::

        buffer = dataset.replay_buffer(augmentation=offctx.ObservationNoise([0.01, 0.01, 0.05]))
        buffer = dataset.replay_buffer(augmentation=[offctx.CSE(radius=0.5), offctx.ObservationNoise(0.01)])
    """

    def __init__(self, std: ArrayLike) -> None:
        self.std = finite_copy(std, "ObservationNoise std", DatasetError)
        if self.std.ndim > 1 or (self.std < 0).any():
            raise DatasetError(f"ObservationNoise std must be one number >= 0, or one per coordinate; found {std!r}")

    @property
    def handles_history(self) -> bool:
        """True: the transitions of windows get noise of their own, as an agent has it whose sensors are noisy."""
        return True

    def __call__(self, batch: "ContextualMiniBatch", rng: np.random.Generator) -> "ContextualMiniBatch":
        """Returns the batch with noisy observations; with zero noise, the very same batch.

        Args:
            batch: B transitions.
            rng: draws (2, B, o) standard normal numbers: for the observations, then for the next observations; then the same
                for the filled slots of history windows.

        Returns:
            The batch with other `observations` and `next_observations`, of windows too.

        Raises:
            DatasetError: `std` has not as many numbers as an observation has coordinates.
        """
        if not self.std.any():
            return batch
        noisy = self._noisy(batch, rng)
        return dataclasses.replace(noisy, history=change_windows(batch, lambda slots: self._noisy(slots, rng)))

    def _noisy(self, batch: "ContextualMiniBatch", rng: np.random.Generator) -> "ContextualMiniBatch":
        """The transitions with noise, without regard to windows."""
        observations, next_observations = np.array(batch.observations), np.array(batch.next_observations)
        n, size = observations.shape
        o = size - batch.contexts.shape[1] if batch.context == "append" else size
        if self.std.shape not in ((), (o,)):
            raise DatasetError(f"ObservationNoise std has {self.std.size} numbers; an observation has {o} coordinates")
        noise = (rng.standard_normal((2, n, o)) * self.std).astype(np.float32)
        observations[:, :o] += noise[0]
        next_observations[:, :o] += noise[1]
        return dataclasses.replace(batch, observations=observations, next_observations=next_observations)

    def __repr__(self) -> str:
        return f"ObservationNoise({self.std.tolist()})"
