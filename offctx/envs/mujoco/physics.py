"""Physical contexts: gravity, masses, friction, damping and actuators of any Gymnasium MuJoCo environment.

Dimensions: N rows, V variants of the context, s state, o observation, a action, u controls, p context.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import mujoco
import numpy as np

from offctx.contexts.space import Contexts, ContextSpace
from offctx.envs import finite_differences
from offctx.envs.base import Array
from offctx.envs.mujoco.family import MujocoFamily
from offctx.envs.mujoco.model_physics import ModelPhysics
from offctx.envs.mujoco.unused_parameters import refuse_unused
from offctx.errors import DerivativeError, EnvError

_STEP = 1e-5  # of central differences, relative to the scale of a coordinate: rounding and kinks are both rare then
_FEW = 4  # rows of one context up to which making its variants' models costs more than it saves


class MujocoPhysics(MujocoFamily):
    """A Gymnasium MuJoCo environment whose physical parameters are the context.

    At the default context it is Gymnasium's environment, bit for bit. Context derivatives are central differences through
    batched simulation, with two step sizes. The relative difference between both is the error of each row. It is large
    where a contact begins or ends between the two steps; rows with an error above `derivative_tolerance` are flagged.

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

    derivative_source = "central differences"
    derivative_tolerance = 1e-4
    derivative_steps: Array  # (p,), 0 where discrete

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
        space = self.context_space
        self.has_derivatives = bool(space.continuous.any())
        self.derivative_steps = np.where(space.continuous, _STEP * self._physics.scales, 0.0)
        refuse_unused(self, self._physics.scales, (gymnasium_id, repr(sorted(make.items())), space.names))

    def _prepare(self, model: mujoco.MjModel) -> None:
        bounds = self._requested if isinstance(self._requested, Mapping) else {}
        names = list(bounds) if isinstance(self._requested, Mapping) else self._requested
        self._physics = ModelPhysics(model, names)
        self.context_space = _context_space(self._physics, bounds, self._splits)

    def _apply(self, model: mujoco.MjModel, data: mujoco.MjData, context: Contexts) -> None:
        self._physics.apply(model, data, context)

    def _controls(self, actions: Array, contexts: Contexts) -> Array:
        return self._physics.controls(actions, contexts)

    def derivatives(self, states: Array, actions: Array, contexts: Array, noise: Array | None = None) -> tuple[Array, Array]:
        """Total derivatives along the context by central differences with half the step.

        Args:
            states: (N, s).
            actions: (N, a).
            contexts: (N, p).
            noise: unused; the dynamics are deterministic.

        Returns:
            of next observations (N, o, p) and of rewards (N, p); zero along discrete coordinates.

        Raises:
            DerivativeError: all coordinates are discrete, or a number is not finite.
        """
        (narrow,) = self._differences(states, actions, contexts, (0.5,))
        return self._finite_parts(narrow, contexts)

    def derivatives_with_error(
        self, states: Array, actions: Array, contexts: Array, noise: Array | None = None
    ) -> tuple[Array, Array, Array]:
        """`derivatives`, and the relative error of each row, |wide - narrow| / max(|wide|, |narrow|).

        `wide` are the differences with the whole step and `narrow` those with half the step, over next observation and
        reward, with each coordinate in units of its default, or in its own unit where the default is 0.

        Args:
            states: (N, s).
            actions: (N, a).
            contexts: (N, p).
            noise: unused; the dynamics are deterministic.

        Returns:
            of next observations (N, o, p), of rewards (N, p), and errors (N,).

        Raises:
            DerivativeError: all coordinates are discrete, or a number is not finite.
        """
        wide, narrow = self._differences(states, actions, contexts, (1.0, 0.5))
        error = finite_differences.relative_error(wide, narrow, self._physics.scales)
        return *self._finite_parts(narrow, contexts), error

    def _finite_parts(self, derivatives: Array, contexts: Contexts) -> tuple[Array, Array]:
        """Derivatives (N, o + 1, p) as those of next observations (N, o, p) and of rewards (N, p)."""
        if not np.isfinite(derivatives).all():
            row = int(np.argwhere(~np.isfinite(derivatives))[0][0])
            where = self.context_space.describe(contexts[row])
            raise DerivativeError(f"the context derivative is not finite in row {row}, in context {where}")
        return derivatives[:, :-1], derivatives[:, -1]

    def _differences(self, states: Array, actions: Array, contexts: Contexts, shares: tuple[float, ...]) -> list[Array]:
        """Central differences (N, o + 1, p) with each share of the steps."""
        if not self.has_derivatives:
            raise DerivativeError(f"{list(self.context_space.names)} are discrete: nothing has a derivative along them")
        return finite_differences.along_contexts(
            self._outcomes,
            (states, actions, contexts),
            steps=self.derivative_steps,
            moving=np.flatnonzero(self.context_space.continuous),
            shares=shares,
            outcome_size=(self.observation_space.shape or (0,))[0] + 1,
        )

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
    )
