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
| rotation, rotation_<actuator>_<actuator> | angle by which the controls of two actuators (the first two) are rotated | rad |

Inversion and permutation are discrete: nothing has a derivative along them. An actuator without a name has the name of its
joint. Where there are several of permutation and rotation, they act in the order in which they are given.
"""

import math

import mujoco
import numpy as np

from offctx.envs.mujoco.mixing import Permutation, Rotation
from offctx.envs.mujoco.parameter import Damping, Factor, Friction, Gear, Gravity, Inversion, Mass, Parameter
from offctx.errors import EnvError

PARAMETER_KINDS: dict[str, type[Parameter]] = {
    "gravity": Gravity,
    "mass": Mass,
    "friction": Friction,
    "damping": Damping,
    "gear": Gear,
    "inversion": Inversion,
    "permutation": Permutation,
    "rotation": Rotation,
}
_ELEMENTS = {"mass": "body", "damping": "joint", "gear": "actuator", "inversion": "actuator"}


def parse(text: str, model: mujoco.MjModel) -> Parameter:
    """The parameter of a model with this name.

    Raises:
        EnvError: unknown name or element, or a quantity that this model does not have.
    """
    kind, _, element = text.partition("_")
    if kind not in PARAMETER_KINDS or (element and kind not in (*_ELEMENTS, "rotation")):
        known = [*(f"{name}_<{_ELEMENTS[name]}>" for name in _ELEMENTS), "rotation_<actuator>_<actuator>"]
        raise EnvError(f"unknown physical parameter {text!r}; known are {', '.join([*PARAMETER_KINDS, *known])}")
    if kind == "gravity":
        size = float(np.linalg.norm(model.opt.gravity))
        if size == 0:
            raise EnvError("this model has no gravity to change")
        return Gravity(text, size, 0.5 * size, 2 * size, "m/s^2", False, np.array(model.opt.gravity), slice(None))
    if kind in ("permutation", "rotation") and model.nu < 2:
        raise EnvError(f"a {kind} needs two actuators; this model has {model.nu}")
    if kind == "rotation":
        return Rotation(text, 0, -math.pi / 2, math.pi / 2, "rad", False, np.zeros(0), _pair(element, model))
    if kind == "permutation":
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


def _pair(names: str, model: mujoco.MjModel) -> list[int]:
    """The indices of the two actuators with these names, joined by "_"; of the first two where no names are given."""
    if not names:
        return [0, 1]
    actuators = element_names(model, "actuator")
    joined = [(i, j) for i, a in enumerate(actuators) for j, b in enumerate(actuators) if i != j and f"{a}_{b}" == names]
    if len(joined) != 1:
        raise EnvError(
            f"rotation_{names}: expected the names of two actuators, joined by '_'; found {len(joined)} such pairs; "
            f"this model has {', '.join(actuators)}"
        )
    return list(joined[0])


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
