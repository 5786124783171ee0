"""The model and the controls of a physical context.

Dimensions: N rows, a action, u controls, p context.
"""

from collections.abc import Sequence

import mujoco
import numpy as np

from offctx.contexts.space import Contexts
from offctx.envs.base import Array
from offctx.envs.mujoco.mixing import Mixing
from offctx.envs.mujoco.parameters import PARAMETER_KINDS, parse
from offctx.errors import EnvError

_FIELDS = ("body_mass", "body_inertia", "geom_friction", "dof_damping", "actuator_gear")  # all that parameters change


class ModelPhysics:
    """The chosen parameters of a model: they make the model of a context, and the controls in it.

    Args:
        model: as it was loaded; left as it is.
        names: of the parameters.

    Attributes:
        scales: the unit of small changes of each parameter (p,).

    Raises:
        EnvError: an unknown name or element, one given twice, or a quantity that this model does not have.
    """

    def __init__(self, model: mujoco.MjModel, names: Sequence[str]) -> None:
        if isinstance(names, str) or not names:
            known = ", ".join(PARAMETER_KINDS)
            raise EnvError(f"expected a list of parameter names, at least one of {known}; found {names!r}")
        twice = sorted({name for name in names if list(names).count(name) > 1})
        if twice:
            raise EnvError(f"parameter {twice[0]!r} is given twice")
        self.parameters = [parse(str(name), model) for name in names]
        self.scales = np.array([parameter.scale for parameter in self.parameters])
        self._nominal = {field: np.array(getattr(model, field)) for field in _FIELDS}
        self._mixings = [(k, parameter) for k, parameter in enumerate(self.parameters) if isinstance(parameter, Mixing)]

    def apply(self, model: mujoco.MjModel, data: mujoco.MjData, context: Contexts) -> None:
        """Changes a model to that of a context.

        Args:
            model: changed in place, whatever its context was before.
            data: scratch.
            context: (p,).
        """
        for field, values in self._nominal.items():
            getattr(model, field)[:] = values
        for parameter, value in zip(self.parameters, context.tolist(), strict=True):
            parameter.set(model, value)
        mujoco.mj_setConst(model, data)  # subtree masses, inverse weights and other derived constants

    def controls(self, actions: Array, contexts: Contexts) -> Array:
        """The controls (N, u) of actions (N, a) in contexts (N, p): permuted and rotated, in the order of the parameters."""
        for k, mixing in self._mixings:
            actions = mixing.mix(actions, contexts[:, k])
        return actions
