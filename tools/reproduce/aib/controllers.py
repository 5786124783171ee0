"""Controllers that collect the offline data: told the context or assuming one, with noise, strong or weak.

Dimensions: N rows, o observation, a action, p context.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_POSITION, _SPEED, _ANGLE, _TURNING = 0.5, 1.0, 10.0, 2.5  # gains of the pole's controller


@dataclass(frozen=True)
class PointController:
    """Feedback for the double integrator: force = mass (- gain position - 2 sqrt(gain) velocity), any inversion undone.

    Args:
        gain: of the position [1/s^2]; that of the velocity makes the motion critically damped.
        noise: the standard deviation of what is added to actions.
        assumed: the mass and the action factor that the controller believes in; None: it is told them.
    """

    gain: float
    noise: float = 0.0
    assumed: tuple[float, float] | None = None

    @property
    def __name__(self) -> str:
        belief = "" if self.assumed is None else f", believes in mass {self.assumed[0]:g}, factor {self.assumed[1]:g}"
        return f"feedback with gain {self.gain:g}, noise {self.noise:g}{belief}"

    def __call__(self, observations: Floats, contexts: Floats, rng: np.random.Generator) -> Floats:
        """The actions (N, 2)."""
        believed = contexts if self.assumed is None else np.broadcast_to(self.assumed, contexts.shape)
        position, velocity = observations[:, :2], observations[:, 2:4]
        force = believed[:, :1] * (-self.gain * position - 2 * np.sqrt(self.gain) * velocity)
        actions = believed[:, 1:] * np.clip(force, -1, 1)
        return np.asarray(np.clip(actions + self.noise * rng.standard_normal(actions.shape), -1, 1))


@dataclass(frozen=True)
class PoleController:
    """Linear feedback for the pole on a cart, any inversion undone. The gains were tuned by hand at the default context.

    Args:
        strength: a factor of all gains; 1 balances poles of all lengths in the training range.
        noise: the standard deviation of what is added to actions.
        assumed: the pole length and the action factor that the controller believes in; None: it is told them.
    """

    strength: float = 1.0
    noise: float = 0.0
    assumed: tuple[float, float] | None = None

    @property
    def __name__(self) -> str:
        belief = "" if self.assumed is None else f", believes in length {self.assumed[0]:g}, factor {self.assumed[1]:g}"
        return f"feedback of strength {self.strength:g}, noise {self.noise:g}{belief}"

    def __call__(self, observations: Floats, contexts: Floats, rng: np.random.Generator) -> Floats:
        """The actions (N, 1)."""
        believed = contexts if self.assumed is None else np.broadcast_to(self.assumed, contexts.shape)
        position, cosine, sine, speed, turning = observations.T
        lean = _POSITION * position + _SPEED * speed + _ANGLE * np.arctan2(sine, cosine) + _TURNING * turning
        actions = believed[:, 1] * np.clip(self.strength * lean, -1, 1)
        return np.asarray(np.clip(actions + self.noise * rng.standard_normal(actions.shape), -1, 1))[:, None]
