"""A Gymnasium MuJoCo environment as a contextual family: the common part of physical and of reward contexts.

Dimensions: N rows, s state, o observation, a action, p context.
"""

import contextlib
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import mujoco
import numpy as np

from offctx.checks import whole_number
from offctx.contexts.space import Contexts
from offctx.envs.base import Array, ContextualEnv
from offctx.envs.mujoco.make import make_mujoco_env
from offctx.envs.mujoco.simulator import Simulator
from offctx.envs.mujoco.state_layout import refuse_other_sizes
from offctx.envs.mujoco.stepped import SteppedSimulator, SteppedTask
from offctx.envs.mujoco.tasks import TASKS, MujocoTask
from offctx.errors import EnvError


class MujocoFamily(ContextualEnv):
    """Environments that share the bodies, observations and starts of one Gymnasium MuJoCo environment.

    A subclass implements `_apply`, and where needed `_prepare`, `_controls`, `_rewards` and `_terminations`.

    A state holds what MuJoCo calls the full physics (time, positions, velocities, ...), the solver's warm start, and the
    derived quantities that Gymnasium's observation and reward read: all that the next step depends on, bit for bit.

    Args:
        gymnasium_id: a MuJoCo environment of Gymnasium, such as "HalfCheetah-v5".
        threads: for batched simulation; as many as there are cores where not given.
        make: arguments of `gymnasium.make`.

    Raises:
        EnvError: Gymnasium cannot make the environment, it is no MuJoCo environment with 1-D observations, or `threads` is no
            whole number >= 1.
    """

    def __init__(self, gymnasium_id: str, *, threads: int | None = None, **make: Any) -> None:
        if threads is not None:
            threads = whole_number(threads, "threads", 1, EnvError)
        self._gym: Any = make_mujoco_env(gymnasium_id, make)
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

    def _prepare(self, model: mujoco.MjModel) -> None:
        """Called with the model before the simulator copies it; does nothing unless overridden."""

    @abstractmethod
    def _apply(self, model: mujoco.MjModel, data: mujoco.MjData, context: Contexts) -> None:
        """Changes a model to that of a context (p,), whatever its context was before; `data` is scratch."""

    def _controls(self, actions: Array, contexts: Contexts) -> Array:
        """The controls (N, u) of actions (N, a) in contexts (N, p)."""
        return actions

    def _rewards(self, states: Array, actions: Array, next_states: Array, contexts: Contexts) -> Array:
        """The rewards (N,)."""
        return self.task.rewards(states, actions, next_states)

    def _terminations(self, next_states: Array) -> Array:
        """The terminations (N,)."""
        return self.task.terminations(next_states)

    def initial_state(self, rng: np.random.Generator, context: Contexts) -> Array:
        """The state (s,) in which Gymnasium's `reset` starts with this generator, in the model of the context (p,)."""
        workspace = self.simulator.workspace()
        workspace.set_context(np.asarray(context, dtype=np.float64))
        with self._lent(workspace.model, workspace.data):
            self._gym._np_random = rng
            mujoco.mj_resetData(workspace.model, workspace.data)
            return self.simulator.start(workspace, self._gym.reset_model())

    def simulate(
        self, states: Array, actions: Array, contexts: Array, noise: Array | None = None
    ) -> tuple[Array, Array, Array]:
        """One step of N rows by MuJoCo; `noise` is unused, the dynamics are deterministic."""
        next_states = self.simulator.step(states, self._controls(actions, contexts), contexts)
        return next_states, self._rewards(states, actions, next_states, contexts), self._terminations(next_states)

    def observations(self, states: Array) -> Array:
        """The observations (N, o) that Gymnasium's environment computes from states (N, s)."""
        return self.task.observations(np.asarray(states, dtype=np.float64))

    def states_from_physics(self, qpos: Array, qvel: Array) -> Array:
        """States at time 0, without a warm start.

        Args:
            qpos: MuJoCo's positions (N, nq).
            qvel: MuJoCo's velocities (N, nv).

        Returns:
            (N, s).

        Raises:
            EnvError: the sizes are not those of this model, or they do not determine a whole state.
        """
        layout, model = self.simulator.layout, self.simulator.model
        refuse_other_sizes(model, qpos, qvel)
        if model.na:
            raise EnvError(f"this model's actuators have {model.na} activations, which qpos and qvel do not determine")
        states = np.zeros((len(qpos), layout.size))
        states[:, layout.qpos], states[:, layout.qvel] = qpos, qvel
        return self._with_derived_quantities(states, qpos, qvel) if layout.derived else states

    def _with_derived_quantities(self, states: Array, qpos: Array, qvel: Array) -> Array:
        """Fills in what only a pass of MuJoCo computes, in the model of the default context."""
        workspace = self.simulator.workspace()
        workspace.set_context(self.context_space.default)
        with self._lent(workspace.model, workspace.data):
            for k in range(len(states)):
                mujoco.mj_resetData(workspace.model, workspace.data)
                self._gym.set_state(np.asarray(qpos[k]), np.asarray(qvel[k]))
                states[k] = self.simulator.start(workspace, self._gym._get_obs())
        return states

    def states_from_observations(self, observations: Array) -> Array:
        """States whose observations are these.

        Args:
            observations: (N, o).

        Returns:
            (N, s).

        Raises:
            EnvError: an observation does not determine what the next step depends on; the message says what is missing.
        """
        return self.states_from_physics(*self.task.states(np.asarray(observations, dtype=np.float64)))

    @contextlib.contextmanager
    def _lent(self, model: mujoco.MjModel, data: mujoco.MjData) -> Iterator[None]:
        """Gives Gymnasium's environment another model and data for a while."""
        own = self._gym.model, self._gym.data
        self._gym.model, self._gym.data = model, data
        try:
            yield
        finally:
            self._gym.model, self._gym.data = own
