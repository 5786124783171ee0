"""Physical parameters of a MuJoCo model as context coordinates, by the names that roboticists use.

| name | meaning | unit |
|---|---|---|
| gravity | size of the gravitational acceleration; its direction stays | m/s^2 |
| mass, mass_<body> | masses and inertias of all bodies, or of one | times the model's own |
| friction | all friction coefficients of all geoms | times the model's own |
| damping, damping_<joint> | damping of all joints, or of one | times the model's own |
| gear, gear_<actuator> | gear ratio of all actuators, or of one: how strong they are | times the model's own |
| inversion, inversion_<actuator> | 1: all actuators, or one, act the other way round | 0 or 1 |
| permutation | which actuator an action drives: the k-th permutation in lexicographic order, 0 the identity | whole number |

The last two are discrete: nothing has a derivative along them. An actuator without a name has the name of its joint.
"""

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import mujoco
import numpy as np

from offctx.envs.base import Array
from offctx.errors import EnvError


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
        element: which of these values it changes: one index, or a slice.
    """

    name: str
    default: float
    low: float
    high: float
    unit: str
    discrete: bool
    nominal: Array
    element: int | slice

    positive: ClassVar[bool] = False  # whether MuJoCo needs a value above 0

    @property
    def validity(self) -> str:
        """The condition on every value, as a constraint of a context space."""
        return f"{self.name} {'>' if self.positive else '>='} 0"

    def admits(self, value: float) -> bool:
        """Whether a value satisfies the condition."""
        return value > 0 or (value == 0 and not self.positive)

    @abstractmethod
    def set(self, model: mujoco.MjModel, value: float) -> None:
        """Changes the model. Other parameters may have changed the same values before."""


class Factor(Parameter):
    """Multiplies arrays of the model."""

    fields: ClassVar[tuple[str, ...]]

    def set(self, model: mujoco.MjModel, value: float) -> None:
        for field in self.fields:
            getattr(model, field)[self.element] *= value


class Mass(Factor):
    """Masses and inertias of bodies."""

    fields = ("body_mass", "body_inertia")
    positive = True


class Friction(Factor):
    """Friction coefficients of all geoms."""

    fields = ("geom_friction",)
    positive = True


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


class Gravity(Parameter):
    """Size of the gravitational acceleration [m/s^2]."""

    def set(self, model: mujoco.MjModel, value: float) -> None:
        model.opt.gravity[:] = self.nominal * (value / self.default)


class Permutation(Parameter):
    """Which actuator each action drives. It changes no model: `ModelPhysics.controls` permutes the actions."""

    def set(self, model: mujoco.MjModel, value: float) -> None:
        """Leaves the model as it is."""


PARAMETER_KINDS: dict[str, type[Parameter]] = {
    "gravity": Gravity,
    "mass": Mass,
    "friction": Friction,
    "damping": Damping,
    "gear": Gear,
    "inversion": Inversion,
    "permutation": Permutation,
}
_ELEMENTS = {"mass": "body", "damping": "joint", "gear": "actuator", "inversion": "actuator"}


def parse(text: str, model: mujoco.MjModel) -> Parameter:
    """The parameter of a model with this name.

    Raises:
        EnvError: unknown name or element, or a quantity that this model does not have.
    """
    kind, _, element = text.partition("_")
    if kind not in PARAMETER_KINDS or (element and kind not in _ELEMENTS):
        known = [f"{name}_<{_ELEMENTS[name]}>" for name in _ELEMENTS]
        raise EnvError(f"unknown physical parameter {text!r}; known are {', '.join([*PARAMETER_KINDS, *known])}")
    if kind == "gravity":
        size = float(np.linalg.norm(model.opt.gravity))
        if size == 0:
            raise EnvError("this model has no gravity to change")
        return Gravity(text, size, 0.5 * size, 2 * size, "m/s^2", False, np.array(model.opt.gravity), slice(None))
    if kind == "permutation":
        if model.nu < 2:
            raise EnvError(f"a permutation needs two actuators; this model has {model.nu}")
        return Permutation(text, 0, 0, math.factorial(model.nu) - 1, "", True, np.zeros(0), slice(None))
    place = _element(kind, element, model) if element else slice(None)
    factor = PARAMETER_KINDS[kind]
    assert issubclass(factor, Factor)
    nominal = np.array(getattr(model, factor.fields[0])[place])
    if not nominal.any():
        raise EnvError(f"{text!r} would change nothing: in this model it is zero")
    low, high, default = (0, 1, 0) if kind == "inversion" else (0.5, 2, 1)
    return factor(text, default, low, high, "", kind == "inversion", nominal, place)


def _element(kind: str, name: str, model: mujoco.MjModel) -> int | slice:
    """The index of a body or actuator, or the slice of a joint's degrees of freedom, in the model's arrays."""
    element_kind = _ELEMENTS[kind]
    names = element_names(model, element_kind)
    if name not in names:
        raise EnvError(f"{kind}_{name}: this model has no {element_kind} {name!r}; it has {', '.join(names)}")
    index = names.index(name)
    if element_kind == "joint":
        begin = int(model.jnt_dofadr[index])
        later = [int(address) for address in model.jnt_dofadr if address > begin]
        return slice(begin, min(later, default=int(model.nv)))
    return index


def element_names(model: mujoco.MjModel, element_kind: str) -> list[str]:
    """The names of all elements of one kind ("body", "joint" or "actuator"), by index; "" for one without a name."""
    count, kind = {
        "body": (model.nbody, mujoco.mjtObj.mjOBJ_BODY),
        "joint": (model.njnt, mujoco.mjtObj.mjOBJ_JOINT),
        "actuator": (model.nu, mujoco.mjtObj.mjOBJ_ACTUATOR),
    }[element_kind]
    names = [mujoco.mj_id2name(model, kind, k) or "" for k in range(count)]
    if element_kind == "actuator":
        joints = element_names(model, "joint")
        on_joint = model.actuator_trntype == int(mujoco.mjtTrn.mjTRN_JOINT)
        names = [name or (joints[model.actuator_trnid[k, 0]] if on_joint[k] else "") for k, name in enumerate(names)]
    return names
