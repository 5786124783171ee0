"""The model and the controls of a physical context.

Dimensions: N rows, a action, u controls, p context.
"""

import math
from collections.abc import Sequence

import mujoco
import numpy as np

from offctx.contexts.space import Contexts
from offctx.envs.base import Array
from offctx.envs.mujoco.parameters import PARAMETER_KINDS, Permutation, parse
from offctx.errors import EnvError

_FIELDS = ("body_mass", "body_inertia", "geom_friction", "dof_damping", "actuator_gear")  # all that parameters change


class ModelPhysics:
    """The chosen parameters of a model: they make the model of a context, and the controls in it.

    Args:
        model: as it was loaded; left as it is.
        names: of the parameters.

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
        self._nominal = {field: np.array(getattr(model, field)) for field in _FIELDS}
        self._permutation = next((k for k, p in enumerate(self.parameters) if isinstance(p, Permutation)), None)

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
        """The controls (N, u) of actions (N, a) in contexts (N, p): actuator permutation[i] gets action i."""
        if self._permutation is None:
            return actions
        indices, controls = contexts[:, self._permutation], np.empty_like(actions)
        for index in np.unique(indices):
            rows = indices == index
            controls[np.ix_(rows, permutation(int(index), actions.shape[1]))] = actions[rows]
        return controls


def permutation(index: int, n: int) -> list[int]:
    """The permutation of 0..n-1 with this index in lexicographic order."""
    remaining, order = list(range(n)), []
    for k in range(n - 1, -1, -1):
        place, index = divmod(index, math.factorial(k))
        order.append(remaining.pop(place))
    return order
