"""Parameters that change which controls an action becomes, before MuJoCo sees them.

Dimensions: N rows, u controls.
"""

from abc import abstractmethod

import mujoco
import numpy as np

from offctx.envs.actuator_mixing import permutation
from offctx.envs.base import Array
from offctx.envs.mujoco.parameter import Parameter


class Mixing(Parameter):
    """Changes controls, not the model."""

    sign = ""

    @abstractmethod
    def mix(self, controls: Array, values: Array) -> Array:
        """The controls that reach the actuators.

        Args:
            controls: (N, u); they are not changed.
            values: the parameter in each row (N,).

        Returns:
            (N, u).
        """


class Permutation(Mixing):
    """Which actuator each action drives."""

    def set(self, model: mujoco.MjModel, value: float) -> None:
        """Leaves the model as it is."""

    def mix(self, controls: Array, values: Array) -> Array:
        """Actuator permutation[i] gets control i."""
        mixed = np.empty_like(controls)
        for index in np.unique(values):
            rows = values == index
            mixed[np.ix_(rows, permutation(int(index), controls.shape[1]))] = controls[rows]
        return mixed


class Rotation(Mixing):
    """The angle [rad] by which the controls of two actuators are rotated, as a pair of coordinates in the plane.

    A rotated pair can leave the range of either control. MuJoCo would clip it there, and with it the derivative; the
    model of a rotation therefore has no such range. Actions are clipped to it as before, at the door.
    """

    def set(self, model: mujoco.MjModel, value: float) -> None:
        """Lifts the limits of the two controls."""
        model.actuator_ctrllimited[self.element] = 0

    def mix(self, controls: Array, values: Array) -> Array:
        """(x, y) becomes (x cos - y sin, x sin + y cos)."""
        assert isinstance(self.element, list)
        x, y = (controls[:, index].astype(np.float64) for index in self.element)
        angles = np.ascontiguousarray(values)
        cos, sin = np.cos(angles), np.sin(angles)
        mixed = controls.astype(np.float64)
        mixed[:, self.element] = np.stack([x * cos - y * sin, x * sin + y * cos], axis=1)
        return mixed
