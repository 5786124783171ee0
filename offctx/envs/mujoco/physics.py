"""Physical contexts: gravity, masses, friction, damping and actuators of any Gymnasium MuJoCo environment.

Dimensions: N rows, V variants, s state, o observation, p context.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import mujoco
import numpy as np
from gymnasium import spaces

from offctx.contexts.space import Contexts, ContextSpace
from offctx.envs.base import Array
from offctx.envs.mujoco.family import MujocoFamily
from offctx.envs.mujoco.parameters import Physics
from offctx.errors import DerivativeError, EnvError

_STEP = 1e-5  # of central differences, relative to the default of a coordinate: rounding and kinks are both rare then
_ROWS = 2048  # differentiated at a time, to bound memory
_FEW = 4  # rows of one context up to which making its variants' models costs more than it saves


class MujocoPhysics(MujocoFamily):
    """A Gymnasium MuJoCo environment whose physical parameters are the context.

    At the default context it is Gymnasium's environment, bit for bit. Context derivatives are central differences through
    batched simulation, with two step sizes: how far these disagree is the error that comes with each row. They disagree
    where a contact begins or ends between the two; `derivative_tolerance` says from where on a row counts as such.

    Args:
        gymnasium_id: such as "HalfCheetah-v5", "Hopper-v5", "Walker2d-v5", "Ant-v5", or another MuJoCo environment.
        parameters: names (see `offctx.envs.mujoco.parameters`), or a mapping from names to bounds (low, high). Without
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
        self._asked, self._splits = parameters, splits
        super().__init__(gymnasium_id, threads=threads, **make)
        space = self.context_space
        self.has_derivatives = bool(space.continuous.any())
        # The default sets the scale; 0 where discrete.
        self.derivative_steps = np.where(space.continuous, _STEP * np.abs(space.default), 0.0)
        _refuse_idle(self, (gymnasium_id, repr(sorted(make.items())), space.names))

    def _prepare(self, model: mujoco.MjModel) -> None:
        asked = self._asked
        self._physics = Physics(model, list(asked) if isinstance(asked, Mapping) else asked)
        found = self._physics.parameters
        bounds = {p.name: (p.low, p.high) for p in found} | (dict(asked) if isinstance(asked, Mapping) else {})
        if not all(np.shape(pair) == (2,) for pair in bounds.values()):
            raise EnvError(f"expected bounds (low, high) for each parameter; found {asked}")
        for p in found:
            if not p.discrete and not p.admits(bounds[p.name][0]):
                raise EnvError(f"expected {p.validity}; found the lower bound {bounds[p.name][0]:g}")
        self.context_space = ContextSpace(
            [p.name for p in found],
            [float(bounds[p.name][0]) for p in found],
            [float(bounds[p.name][1]) for p in found],
            [p.default for p in found],
            [p.unit for p in found],
            constraints=[p.validity for p in found if not p.discrete],
            discrete=[p.name for p in found if p.discrete],
            splits=self._splits,
        )

    def _apply(self, model: mujoco.MjModel, data: mujoco.MjData, context: Contexts) -> None:
        self._physics.apply(model, data, context)

    def _controls(self, actions: Array, contexts: Contexts) -> Array:
        return self._physics.controls(actions, contexts)

    # --- derivatives -------------------------------------------------------------------------------------------------

    def derivatives(self, states: Array, actions: Array, contexts: Array, noise: Array | None = None) -> tuple[Array, Array]:
        """Of next observations (N, o, p) and of rewards (N, p), the latter total; columns of discrete coordinates are zero."""
        (narrow,) = self._differences(states, actions, contexts, (0.5,))
        return self._checked(narrow, contexts)

    def derivatives_with_error(
        self, states: Array, actions: Array, contexts: Array, noise: Array | None = None
    ) -> tuple[Array, Array, Array]:
        """Central differences with half the step, and how far those with the whole step are from them, relatively (N,).

        The relative error of a row is |wide - narrow| / max(|wide|, |narrow|), over next observation and reward, each
        coordinate in units of its default.

        Raises:
            DerivativeError: all coordinates are discrete, or a number is not finite.
        """
        wide, narrow = self._differences(states, actions, contexts, (1.0, 0.5))
        scale = np.abs(self.context_space.default)
        size = np.maximum(*(_norms(part * scale) for part in (narrow, wide)))
        apart = _norms((wide - narrow) * scale)
        error = np.divide(apart, size, out=np.zeros_like(apart), where=size > 0)
        return *self._checked(narrow, contexts), error

    def _checked(self, found: Array, contexts: Contexts) -> tuple[Array, Array]:
        """Those of observations (N, o, p) and of rewards (N, p), out of both side by side (N, o + 1, p)."""
        if not np.isfinite(found).all():
            row = int(np.argwhere(~np.isfinite(found))[0][0])
            where = self.context_space.describe(contexts[row])
            raise DerivativeError(f"the context derivative is not finite in row {row}, in context {where}")
        return found[:, :-1], found[:, -1]

    def _differences(self, states: Array, actions: Array, contexts: Contexts, shares: tuple[float, ...]) -> list[Array]:
        """Central differences with each share of the steps: of observation and reward side by side, (N, o + 1, p)."""
        space = self.context_space
        if not self.has_derivatives:
            raise DerivativeError(f"{list(space.names)} are discrete: nothing has a derivative along them")
        moving = np.flatnonzero(space.continuous)
        steps = np.diag(self.derivative_steps)[moving]  # one row for each coordinate that has derivatives
        offsets = np.concatenate([sign * share * steps for share in shares for sign in (1, -1)])
        found = [np.zeros((len(states), (self.observation_space.shape or (0,))[0] + 1, space.size)) for _ in shares]
        for begin in range(0, len(states), _ROWS):
            rows = slice(begin, begin + _ROWS)
            sides = np.split(self._outcomes(states[rows], actions[rows], contexts[rows], offsets), 2 * len(shares))
            for k, share in enumerate(shares):
                difference = (sides[2 * k] - sides[2 * k + 1]) / (2 * share * self.derivative_steps[moving, None, None])
                found[k][rows][..., moving] = difference.transpose(1, 2, 0)
        return found

    def _outcomes(self, states: Array, actions: Array, contexts: Contexts, offsets: Contexts) -> Array:
        """Next observation and reward side by side of every row with its context moved by every offset: (V, N, o + 1)."""
        v, n = len(offsets), len(states)
        unique, which = np.unique(contexts, axis=0, return_inverse=True)
        which = np.ravel(which)
        before, acted = np.tile(states, (v, 1)), np.tile(actions, (v, 1))
        controls = self._controls(actions, contexts)
        if self.simulator.layout.derived or n <= _FEW * len(unique):
            moved = (contexts + offsets[:, None]).reshape(v * n, -1)
            following = self.simulator.step(before, np.tile(controls, (v, 1)), moved)
        else:
            following = np.empty((v, n, states.shape[1]))
            for k, context in enumerate(unique):
                rows = np.flatnonzero(which == k)
                following[:, rows] = self.simulator.outcomes(states[rows], controls[rows], context + offsets)
            following = following.reshape(v * n, -1)
        seen = self.task.observations(following)
        earned = self.task.rewards(before, acted, following)
        return np.concatenate([seen, earned[:, None]], axis=1).reshape(v, n, -1)


def _norms(rows: Array) -> Array:
    """The norm of each row's part (N,) of (N, o + 1, p), summed in an order that does not depend on N."""
    by_row = np.ascontiguousarray(rows).reshape(len(rows), -1)
    return np.asarray(np.sqrt((by_row**2).sum(axis=1)))


_IDLE: dict[tuple[Any, ...], list[str]] = {}  # what was found of an environment, once a process


def _refuse_idle(env: MujocoPhysics, key: tuple[Any, ...]) -> None:
    if key not in _IDLE:
        _IDLE[key] = _idle(env)
    if _IDLE[key]:
        raise EnvError(
            f"{key[0]}: {', '.join(_IDLE[key])} would change nothing in this environment, over an episode's first steps under "
            f"random actions; leave it out"
        )


def _idle(env: MujocoPhysics, steps: int = 64) -> list[str]:
    """The parameters that change no transition of a short episode under random actions."""
    rng = np.random.default_rng(0)
    space, box = env.context_space, env.action_space
    assert isinstance(box, spaces.Box)
    states = [env.initial_state(rng, space.default)]
    actions = rng.uniform(box.low, box.high, (steps, *box.shape)).astype(box.dtype)
    for action in actions[:-1]:
        states.append(env.simulate(states[-1][None], action[None], space.default[None])[0][0])
    other = np.where(space.continuous, 1.25 * space.default, space.default + 1)
    variants = np.where(np.eye(space.size, dtype=bool), other, space.default)
    before, acted = np.tile(np.stack(states), (space.size + 1, 1)), np.tile(actions, (space.size + 1, 1))
    contexts = np.repeat(np.concatenate([space.default[None], variants]), steps, axis=0)
    physics = env.simulator.layout.physics
    found = env.simulate(before, acted, contexts)[0][:, physics].reshape(space.size + 1, steps, -1)
    return [name for name, row in zip(space.names, found[1:], strict=True) if np.array_equal(row, found[0])]
