"""A Gymnasium MuJoCo environment as a contextual family: the common part of physical and of reward contexts.

Dimensions: N rows, s state, o observation, a action, p context.
"""

import contextlib
import warnings
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import gymnasium
import mujoco
import numpy as np
from gymnasium import spaces
from gymnasium.envs.mujoco.mujoco_env import MujocoEnv

from offctx.contexts.space import Contexts
from offctx.envs.base import Array, ContextualEnv
from offctx.envs.mujoco.simulator import Simulator
from offctx.envs.mujoco.stepped import SteppedSimulator, SteppedTask
from offctx.envs.mujoco.tasks import TASKS, MujocoTask
from offctx.errors import EnvError


class MujocoFamily(ContextualEnv):
    """Members of this family share a Gymnasium MuJoCo environment's bodies, observations and starts.

    A state holds what MuJoCo calls the full physics (time, positions, velocities, ...), the solver's warm start, and the
    derived quantities that Gymnasium's observation and reward read: all that the next step depends on, bit for bit.

    Args:
        gymnasium_id: of a MuJoCo environment of Gymnasium, such as "HalfCheetah-v5".
        threads: for batched simulation; as many as there are cores where not given.
        make: arguments of `gymnasium.make`.
    """

    def __init__(self, gymnasium_id: str, *, threads: int | None = None, **make: Any) -> None:
        self._gym: Any = _make(gymnasium_id, make)
        self.observation_space, self.action_space = self._gym.observation_space, self._gym.action_space
        self._prepare(self._gym.model)
        kind = TASKS.get(type(self._gym), SteppedTask)
        if kind is SteppedTask:
            self.simulator: Simulator = SteppedSimulator(self._gym, self._lent, self._apply)
        else:
            self.simulator = Simulator(
                self._gym.model, self._gym.frame_skip, self._apply, derived=kind.derived, threads=threads
            )
        self.task: MujocoTask = kind(self._gym, self.simulator.layout)

    # --- what a family defines ---------------------------------------------------------------------------------------

    def _prepare(self, model: mujoco.MjModel) -> None:
        """Look at the model before the simulator copies it."""

    @abstractmethod
    def _apply(self, model: mujoco.MjModel, data: mujoco.MjData, context: Contexts) -> None:
        """Make a model that of the context (p,), whatever it was before; `data` is scratch."""

    def _controls(self, actions: Array, contexts: Contexts) -> Array:
        """What the actuators get (N, u) of actions (N, a)."""
        return actions

    def _rewards(self, states: Array, actions: Array, following: Array, contexts: Contexts) -> Array:
        return self.task.rewards(states, actions, following)

    def _terminations(self, following: Array) -> Array:
        return self.task.terminations(following)

    # --- the contract ------------------------------------------------------------------------------------------------

    def initial_state(self, rng: np.random.Generator, context: Contexts) -> Array:
        """Where Gymnasium's `reset` starts with this generator, in the model of the context: (s,)."""
        bench = self.simulator.bench()
        bench.turn(np.asarray(context, dtype=np.float64))
        with self._lent(bench.model, bench.data):
            self._gym._np_random = rng
            mujoco.mj_resetData(bench.model, bench.data)
            return self.simulator.start(bench, self._gym.reset_model())

    def simulate(
        self, states: Array, actions: Array, contexts: Array, noise: Array | None = None
    ) -> tuple[Array, Array, Array]:
        following = self.simulator.step(states, self._controls(actions, contexts), contexts)
        return following, self._rewards(states, actions, following, contexts), self._terminations(following)

    def observations(self, states: Array) -> Array:
        return self.task.observations(np.asarray(states, dtype=np.float64))

    def states_from_physics(self, qpos: Array, qvel: Array) -> Array:
        """States (N, s) of positions (N, nq) and velocities (N, nv), without a warm start, at time 0.

        Raises:
            EnvError: they are not of this model, or a state holds more than these determine.
        """
        layout, model = self.simulator.layout, self.simulator.model
        found = np.shape(qpos)[1:], np.shape(qvel)[1:]
        if found != ((model.nq,), (model.nv,)):
            raise EnvError(
                f"expected qpos (N, {model.nq}) and qvel (N, {model.nv}) of this model; found rows of {found[0]} and {found[1]}"
            )
        if model.na:
            raise EnvError(f"this model's actuators have {model.na} activations, which qpos and qvel do not determine")
        states = np.zeros((len(qpos), layout.size))
        states[:, layout.qpos], states[:, layout.qvel] = qpos, qvel
        if not layout.derived:
            return states
        bench = self.simulator.bench()
        bench.turn(self.context_space.default)
        with self._lent(bench.model, bench.data):
            for k in range(len(states)):  # derived quantities follow only from a pass of MuJoCo
                mujoco.mj_resetData(bench.model, bench.data)
                self._gym.set_state(np.asarray(qpos[k]), np.asarray(qvel[k]))
                states[k] = self.simulator.start(bench, self._gym._get_obs())
        return states

    def states_from_observations(self, observations: Array) -> Array:
        """States (N, s) that look like this, where an observation determines what the next step depends on.

        Raises:
            EnvError: it does not; the message says what is missing.
        """
        return self.states_from_physics(*self.task.states(np.asarray(observations, dtype=np.float64)))

    @contextlib.contextmanager
    def _lent(self, model: mujoco.MjModel, data: mujoco.MjData) -> Iterator[None]:
        """Gymnasium's environment with another model and data for a while."""
        own = self._gym.model, self._gym.data
        self._gym.model, self._gym.data = model, data
        try:
            yield
        finally:
            self._gym.model, self._gym.data = own


def _make(gymnasium_id: str, arguments: dict[str, Any]) -> Any:
    try:
        with _model_warnings():
            env = gymnasium.make(gymnasium_id, **arguments).unwrapped
    except (gymnasium.error.Error, ImportError, TypeError) as error:
        raise EnvError(f"Gymnasium cannot make {gymnasium_id!r}: {error}") from error
    if not isinstance(env, MujocoEnv):
        raise EnvError(f"{gymnasium_id} is no Gymnasium MuJoCo environment with the mujoco bindings (v4 and later)")
    if not isinstance(env.observation_space, spaces.Box) or len(env.observation_space.shape) != 1:
        raise EnvError(f"{gymnasium_id}: expected 1-D observations; found {env.observation_space}")
    return env


@contextlib.contextmanager
def _model_warnings() -> Iterator[None]:
    """MuJoCo's warnings as Python's while a model is loaded, less those about deprecated words in Gymnasium's model files.

    MuJoCo prints them otherwise, and appends them to a file in the current folder.
    """
    found: list[str] = []
    before = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(found.append)
    try:
        yield
    finally:
        mujoco.set_mju_user_warning(before)
    for message in found:
        if "deprecated" not in message:
            warnings.warn(message, stacklevel=3)
