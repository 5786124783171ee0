"""One physical parameter of a MuJoCo model, and those that multiply arrays of the model."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import mujoco

from offctx.envs.base import Array


@dataclass(frozen=True)
class Parameter:
    """One physical parameter, and so one context coordinate.

    Attributes:
        name: the name of the coordinate.
        default: the value at which the model is as it was loaded.
        low: default lower bound.
        high: default upper bound.
        unit: "" where the parameter is a factor.
        discrete: whether it takes whole numbers only.
        nominal: the model's own values of the quantity that it changes.
        element: which of these values it changes: one index, several, or a slice.
    """

    name: str
    default: float
    low: float
    high: float
    unit: str
    discrete: bool
    nominal: Array
    element: int | slice | list[int]

    sign: ClassVar[str] = ">="  # every value must be > 0, >= 0, or, where "", may be any number

    @property
    def validity(self) -> str:
        """The condition on every value, as a constraint of a context space; "" where there is none."""
        return f"{self.name} {self.sign} 0" if self.sign else ""

    def admits(self, value: float) -> bool:
        """Whether a value satisfies the condition."""
        return {">": value > 0, ">=": value >= 0, "": True}[self.sign]

    @property
    def scale(self) -> float:
        """The unit of small changes: the size of the default value, or 1 where that is 0."""
        return abs(self.default) or 1.0

    @abstractmethod
    def set(self, model: mujoco.MjModel, value: float) -> None:
        """Changes the model. Other parameters may have changed the same values before."""


class Gravity(Parameter):
    """Size of the gravitational acceleration [m/s^2]."""

    def set(self, model: mujoco.MjModel, value: float) -> None:
        model.opt.gravity[:] = self.nominal * (value / self.default)


class Factor(Parameter):
    """Multiplies arrays of the model."""

    fields: ClassVar[tuple[str, ...]]

    def set(self, model: mujoco.MjModel, value: float) -> None:
        for field in self.fields:
            getattr(model, field)[self.element] *= value


class Mass(Factor):
    """Masses and inertias of bodies."""

    fields = ("body_mass", "body_inertia")
    sign = ">"


class Friction(Factor):
    """Friction coefficients of all geoms."""

    fields = ("geom_friction",)
    sign = ">"


class Damping(Factor):
    """Damping of joints."""

    fields = ("dof_damping",)


class Gear(Factor):
    """Gear ratios of actuators."""

    fields = ("actuator_gear",)


class Inversion(Gear):
    """1 where actuators act the other way round, 0 where they do not."""

    def set(self, model: mujoco.MjModel, value: float) -> None:
        super().set(model, 1.0 - 2.0 * value)
