"""What a sensor makes of observations: delayed, amplified, shifted, noisy, and beside numbers that mean nothing.

At time t, with the observation x_t (o,) of the family inside,

    y_t = gain x_(t - delay) + bias u + noise u eps_t          eps_t ~ N(0, I), u the scale of each observation
    w_t = 0.9 w_(t - 1) + sqrt(1 - 0.9^2) eta_t                distractors, eta_t ~ N(0, I), w_0 ~ N(0, I)

and x_0 stands for what is before the start. The memory of a sensor is the last `depth` observations x and what it shows, y and
w. It is part of the state of the environment, so that a step is a pure function.

Dimensions: N rows, D depth, o observations inside, n distractors, q coordinates of the sensor, z its noise.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from offctx.envs.base import Array

_CORRELATION = 0.9  # of a distractor with itself one step before


class Settings(NamedTuple):
    """A sensor in each of N rows.

    Attributes:
        noise: (N, 1).
        gain: (N, 1).
        bias: (N, 1).
        delay: whole numbers (N,).
    """

    noise: Array
    gain: Array
    bias: Array
    delay: Array


@dataclass(frozen=True)
class Sensor:
    """The arithmetic of a sensor, a pure function of arrays.

    Attributes:
        size: o.
        scale: u (o,).
        names: the settings that contexts hold, in the order of their coordinates: "noise", "gain", "bias", "delay".
        depth: D, the longest delay.
        distractors: n.
    """

    size: int
    scale: Array
    names: tuple[str, ...]
    depth: int
    distractors: int

    @property
    def shown(self) -> int:
        """How many numbers are shown, o + n."""
        return self.size + self.distractors

    @property
    def memory(self) -> int:
        """How many numbers the sensor adds to a state, D o + o + n: the last observations, and what it shows."""
        return self.depth * self.size + self.shown

    @property
    def noise_size(self) -> int:
        """z, o where there is a coordinate of noise, and n."""
        return ("noise" in self.names) * self.size + self.distractors

    def settings(self, contexts: Array) -> Settings:
        """The settings in contexts (N, q) of the sensor alone."""
        default = {"noise": 0.0, "gain": 1.0, "bias": 0.0, "delay": 0.0}
        columns = {name: contexts[:, k] for k, name in enumerate(self.names)}
        noise, gain, bias, delay = (columns.get(name, np.full(len(contexts), value)) for name, value in default.items())
        return Settings(noise[:, None], gain[:, None], bias[:, None], delay.astype(np.intp))

    def start(self, observations: Array, contexts: Array, noise: Array) -> Array:
        """The memory (N, m) at the start of episodes, from x_0 (N, o), contexts (N, q) and noise (N, z)."""
        history = np.repeat(observations[:, None], self.depth + 1, axis=1)
        return self._memory(history, noise[:, self.noise_size - self.distractors :], contexts, noise)

    def step(self, memory: Array, next_observations: Array, contexts: Array, noise: Array) -> Array:
        """The next memory (N, m), from the memory (N, m), x_(t + 1) (N, o), contexts (N, q) and noise (N, z)."""
        past = memory[:, : self.depth * self.size].reshape(len(memory), self.depth, self.size)
        history = np.concatenate([next_observations[:, None], past], axis=1)
        w, eta = memory[:, memory.shape[1] - self.distractors :], noise[:, self.noise_size - self.distractors :]
        distractors = _CORRELATION * w + np.sqrt(1 - _CORRELATION**2) * eta
        return self._memory(history, distractors, contexts, noise)

    def derivatives(self, observations: Array, dobservations: Array, contexts: Array, noise: Array) -> Array:
        """Derivatives of what is shown without delay, (N, o + n, p + q), along contexts of the family, then of the sensor.

        Args:
            observations: x (N, o).
            dobservations: of x along the contexts of the family (N, o, p).
            contexts: of the sensor (N, q).
            noise: (N, z), held fixed.
        """
        along = {"gain": observations, "bias": np.broadcast_to(self.scale, observations.shape)}
        if "noise" in self.names:
            along["noise"] = self.scale * noise[:, : self.size]
        columns = [along[name][..., None] for name in self.names]
        shown = np.concatenate([self.settings(contexts).gain[..., None] * dobservations, *columns], axis=2)
        return np.concatenate([shown, np.zeros((len(shown), self.distractors, shown.shape[2]))], axis=1)

    def _memory(self, history: Array, distractors: Array, contexts: Array, noise: Array) -> Array:
        """Memory of x_t, x_(t - 1), ... (N, D + 1, o), distractors (N, n) and what is shown of them."""
        settings = self.settings(contexts)
        delayed = np.take_along_axis(history, settings.delay[:, None, None], axis=1)[:, 0]
        y = settings.gain * delayed + settings.bias * self.scale
        if "noise" in self.names:
            y = y + settings.noise * self.scale * noise[:, : self.size]
        past = history[:, : self.depth].reshape(len(history), -1)
        return np.concatenate([past, y, distractors], axis=1)
