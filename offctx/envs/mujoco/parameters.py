"""Physical parameters of a MuJoCo model as context coordinates, by the names a roboticist would use.

| name | meaning | unit |
|---|---|---|
| gravity | size of the gravitational acceleration; its direction stays | m/s^2 |
| mass, mass_<body> | masses and inertias of all bodies, or of one | times the model's own |
| friction | all friction coefficients of all geoms | times the model's own |
| damping, damping_<joint> | damping of all joints, or of one | times the model's own |
| gear, gear_<actuator> | gear ratio of all actuators, or of one: how strong they are | times the model's own |
| inversion, inversion_<actuator> | 1: all actuators, or one, act the other way round | 0 or 1 |
| permutation | which actuator an action drives: the k-th permutation in lexicographic order, 0 the identity | whole number |

The last two are discrete: nothing has a derivative along them. An actuator without a name goes by that of its joint.
"""

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import mujoco
import numpy as np

from offctx.contexts.space import Contexts
from offctx.envs.base import Array
from offctx.errors import EnvError


@dataclass(frozen=True)
class Parameter:
    """One coordinate.

    Attributes:
        name: of the coordinate.
        default: the value at which the model is as it was loaded.
        low: default bound below.
        high: default bound above.
        unit: "" where it is a factor.
        discrete: whether it takes whole numbers only.
        nominal: the model's own values of what it changes.
        element: which of them it changes: one, or all.
    """

    name: str
    default: float
    low: float
    high: float
    unit: str
    discrete: bool
    nominal: Array
    element: int | slice

    positive: ClassVar[bool] = False  # whether MuJoCo needs more than 0 of it

    @property
    def validity(self) -> str:
        """What every value must satisfy, as a constraint of a context space."""
        return f"{self.name} {'>' if self.positive else '>='} 0"

    def admits(self, value: float) -> bool:
        """Whether a value satisfies it."""
        return value > 0 or (value == 0 and not self.positive)

    @abstractmethod
    def set(self, model: mujoco.MjModel, value: float) -> None:
        """Change the model, in which other parameters may have changed the same values already."""


class _Factor(Parameter):
    """Multiplies arrays of the model."""

    fields: ClassVar[tuple[str, ...]]

    def set(self, model: mujoco.MjModel, value: float) -> None:
        for field in self.fields:
            getattr(model, field)[self.element] *= value


class Mass(_Factor):
    fields = ("body_mass", "body_inertia")
    positive = True


class Friction(_Factor):
    fields = ("geom_friction",)
    positive = True


class Damping(_Factor):
    fields = ("dof_damping",)


class Gear(_Factor):
    fields = ("actuator_gear",)


class Inversion(Gear):
    def set(self, model: mujoco.MjModel, value: float) -> None:
        super().set(model, 1.0 - 2.0 * value)


class Gravity(Parameter):
    def set(self, model: mujoco.MjModel, value: float) -> None:
        model.opt.gravity[:] = self.nominal * (value / self.default)


class Permutation(Parameter):
    """Acts on the controls, not on the model; see `Physics.controls`."""

    def set(self, model: mujoco.MjModel, value: float) -> None:
        pass


class Physics:
    """The chosen parameters of a model: they make the model of a context, and the controls in it.

    Args:
        model: as it was loaded; left as it is.
        names: of the parameters.

    Raises:
        EnvError: an unknown name or element, one given twice, or one that this model has nothing of.
    """

    def __init__(self, model: mujoco.MjModel, names: Sequence[str]) -> None:
        if isinstance(names, str) or not names:
            raise EnvError(f"expected a list of parameter names, at least one of {', '.join(_KINDS)}; found {names!r}")
        twice = sorted({name for name in names if list(names).count(name) > 1})
        if twice:
            raise EnvError(f"parameter {twice[0]!r} is given twice")
        self.parameters = [_parse(str(name), model) for name in names]
        self._nominal = {
            field: np.array(getattr(model, field))
            for field in ("body_mass", "body_inertia", "geom_friction", "dof_damping", "actuator_gear")
        }
        self._permutation = next((k for k, p in enumerate(self.parameters) if isinstance(p, Permutation)), None)

    def apply(self, model: mujoco.MjModel, data: mujoco.MjData, context: Contexts) -> None:
        """Make `model` that of the context (p,); `data` is scratch."""
        for field, values in self._nominal.items():
            getattr(model, field)[:] = values
        for parameter, value in zip(self.parameters, context.tolist(), strict=True):
            parameter.set(model, value)
        mujoco.mj_setConst(model, data)  # subtree masses, inverse weights and what else follows from these

    def controls(self, actions: Array, contexts: Contexts) -> Array:
        """What the actuators get (N, u) of actions (N, a): actuator perm[i] gets action i."""
        if self._permutation is None:
            return actions
        found, controls = contexts[:, self._permutation], np.empty_like(actions)
        for number in np.unique(found):
            rows = found == number
            controls[np.ix_(rows, permutation(int(number), actions.shape[1]))] = actions[rows]
        return controls


def permutation(number: int, n: int) -> list[int]:
    """The permutation of 0..n-1 with this number in lexicographic order."""
    left, found = list(range(n)), []
    for k in range(n - 1, -1, -1):
        place, number = divmod(number, math.factorial(k))
        found.append(left.pop(place))
    return found


_KINDS: dict[str, type[Parameter]] = {
    "gravity": Gravity,
    "mass": Mass,
    "friction": Friction,
    "damping": Damping,
    "gear": Gear,
    "inversion": Inversion,
    "permutation": Permutation,
}
_ELEMENTS = {"mass": "body", "damping": "joint", "gear": "actuator", "inversion": "actuator"}


def _parse(text: str, model: mujoco.MjModel) -> Parameter:
    kind, _, element = text.partition("_")
    if kind not in _KINDS or (element and kind not in _ELEMENTS):
        known = [f"{name}_<{_ELEMENTS[name]}>" for name in _ELEMENTS]
        raise EnvError(f"unknown physical parameter {text!r}; known are {', '.join([*_KINDS, *known])}")
    if kind == "gravity":
        size = float(np.linalg.norm(model.opt.gravity))
        if size == 0:
            raise EnvError("this model has no gravity to change")
        return Gravity(text, size, 0.5 * size, 2 * size, "m/s^2", False, np.array(model.opt.gravity), slice(None))
    if kind == "permutation":
        if model.nu < 2:
            raise EnvError(f"a permutation needs two actuators; this model has {model.nu}")
        return Permutation(text, 0, 0, math.factorial(model.nu) - 1, "", True, np.zeros(0), slice(None))
    where = _element(kind, element, model) if element else slice(None)
    factor = _KINDS[kind]
    assert issubclass(factor, _Factor)
    nominal = np.array(getattr(model, factor.fields[0])[where])
    if not nominal.any():
        raise EnvError(f"{text!r} would change nothing: in this model it is zero")
    low, high, default = (0, 1, 0) if kind == "inversion" else (0.5, 2, 1)
    return factor(text, default, low, high, "", kind == "inversion", nominal, where)


def _element(kind: str, name: str, model: mujoco.MjModel) -> int | slice:
    """Where a body, joint (its degrees of freedom) or actuator lies in the model's arrays."""
    what = _ELEMENTS[kind]
    names = element_names(model, what)
    if name not in names:
        raise EnvError(f"{kind}_{name}: this model has no {what} {name!r}; it has {', '.join(names)}")
    index = names.index(name)
    if what == "joint":
        begin = int(model.jnt_dofadr[index])
        following = [int(address) for address in model.jnt_dofadr if address > begin]
        return slice(begin, min(following, default=int(model.nv)))
    return index


def element_names(model: mujoco.MjModel, what: str) -> list[str]:
    """The names of all bodies, joints or actuators, by index; "" where one has none."""
    count, kind = {
        "body": (model.nbody, mujoco.mjtObj.mjOBJ_BODY),
        "joint": (model.njnt, mujoco.mjtObj.mjOBJ_JOINT),
        "actuator": (model.nu, mujoco.mjtObj.mjOBJ_ACTUATOR),
    }[what]
    names = [mujoco.mj_id2name(model, kind, k) or "" for k in range(count)]
    if what == "actuator":
        joints = element_names(model, "joint")
        on_joint = model.actuator_trntype == int(mujoco.mjtTrn.mjTRN_JOINT)
        names = [name or (joints[model.actuator_trnid[k, 0]] if on_joint[k] else "") for k, name in enumerate(names)]
    return names
