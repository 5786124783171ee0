"""Physical contexts: gravity, masses, friction, damping and actuators of any Gymnasium MuJoCo environment.

Dimensions: N rows, V variants of the context, s state, o observation, a action, u controls, p context.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import mujoco
import numpy as np

from offctx.contexts.space import Contexts, ContextSpace
from offctx.envs.base import Array
from offctx.envs.central_differences import CentralDifferences
from offctx.envs.mujoco.family import MujocoFamily
from offctx.envs.mujoco.model_physics import ModelPhysics
from offctx.envs.mujoco.unused_parameters import refuse_unused
from offctx.errors import EnvError

_FEW = 4  # rows of one context up to which making its variants' models costs more than it saves


class MujocoPhysics(CentralDifferences, MujocoFamily):
    """A Gymnasium MuJoCo environment whose physical parameters are the context.

    At the default context it is Gymnasium's environment, bit for bit. Context derivatives are central differences through
    batched simulation, with an estimate of their error (`CentralDifferences`).

    Args:
        gymnasium_id: such as "HalfCheetah-v5", "Hopper-v5", "Walker2d-v5", "Ant-v5", or another MuJoCo environment.
        parameters: names (listed in `offctx.envs.mujoco.parameters`), or a mapping from names to bounds (low, high). Without
            bounds: from half to twice the model's own value.
        splits: named sets of contexts (K, p), as `ContextSpace` takes them.
        threads: for batched simulation; as many as there are cores where not given.
        make: arguments of `gymnasium.make`.

    Raises:
        EnvError: no such environment, parameter or element; or a parameter that changes nothing in this environment.

    Example::

        env = MujocoPhysics("Hopper-v5", {"gravity": (5.0, 15.0), "mass_torso": (0.5, 2.0)})
    """

    def __init__(
        self,
        gymnasium_id: str,
        parameters: Sequence[str] | Mapping[str, Sequence[float]],
        *,
        splits: Mapping[str, Any] | None = None,
        threads: int | None = None,
        **make: Any,
    ) -> None:
        self._requested, self._splits = parameters, splits
        super().__init__(gymnasium_id, threads=threads, **make)
        self._set_scales(self._physics.scales)
        refuse_unused(self, self._physics.scales, (gymnasium_id, repr(sorted(make.items())), self.context_space.names))

    def _prepare(self, model: mujoco.MjModel) -> None:
        bounds = self._requested if isinstance(self._requested, Mapping) else {}
        names = list(bounds) if isinstance(self._requested, Mapping) else self._requested
        self._physics = ModelPhysics(model, names)
        self.context_space = _context_space(self._physics, bounds, self._splits)

    def _apply(self, model: mujoco.MjModel, data: mujoco.MjData, context: Contexts) -> None:
        self._physics.apply(model, data, context)

    def _controls(self, actions: Array, contexts: Contexts) -> Array:
        return self._physics.controls(actions, contexts)

    def _outcomes(self, states: Array, actions: Array, contexts: Contexts, offsets: Contexts) -> Array:
        """Next observation and reward side by side of every row with its context moved by every offset: (V, N, o + 1)."""
        v, n = len(offsets), len(states)
        unique, group = np.unique(contexts, axis=0, return_inverse=True)
        group = np.ravel(group)
        moved = (contexts + offsets[:, None]).reshape(v * n, -1)
        repeated_states, repeated_actions = np.tile(states, (v, 1)), np.tile(actions, (v, 1))
        controls = self._controls(repeated_actions, moved)
        if self.simulator.layout.derived or n <= _FEW * len(unique):
            next_states = self.simulator.step(repeated_states, controls, moved)
        else:
            controls, next_states = controls.reshape(v, n, -1), np.empty((v, n, states.shape[1]))
            for k, context in enumerate(unique):
                rows = np.flatnonzero(group == k)
                next_states[:, rows] = self.simulator.outcomes(states[rows], controls[:, rows], context + offsets)
            next_states = next_states.reshape(v * n, -1)
        observations = self.task.observations(next_states)
        rewards = self.task.rewards(repeated_states, repeated_actions, next_states)
        return np.concatenate([observations, rewards[:, None]], axis=1).reshape(v, n, -1)


def _context_space(
    physics: ModelPhysics, requested: Mapping[str, Sequence[float]], splits: Mapping[str, Any] | None
) -> ContextSpace:
    """The space of the parameters, with the requested bounds where there are any."""
    parameters = physics.parameters
    bounds = {parameter.name: (parameter.low, parameter.high) for parameter in parameters} | dict(requested)
    if not all(np.shape(pair) == (2,) for pair in bounds.values()):
        raise EnvError(f"expected bounds (low, high) for each parameter; found {requested}")
    for parameter in parameters:
        if not parameter.discrete and not parameter.admits(bounds[parameter.name][0]):
            raise EnvError(f"expected {parameter.validity}; found the lower bound {bounds[parameter.name][0]:g}")
    return ContextSpace(
        [parameter.name for parameter in parameters],
        [float(bounds[parameter.name][0]) for parameter in parameters],
        [float(bounds[parameter.name][1]) for parameter in parameters],
        [parameter.default for parameter in parameters],
        [parameter.unit for parameter in parameters],
        constraints=[parameter.validity for parameter in parameters if not parameter.discrete and parameter.validity],
        discrete=[parameter.name for parameter in parameters if parameter.discrete],
        splits=splits,
        kinds="dynamics",
    )
