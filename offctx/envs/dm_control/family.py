"""A task of DeepMind Control's suite as a contextual family.

Dimensions: N rows, s state, o observation, a action, u controls, p context, e numbers of an episode.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import mujoco
import numpy as np
from gymnasium import spaces

from offctx.checks import whole_number
from offctx.contexts.space import Contexts
from offctx.envs.base import Array
from offctx.envs.central_differences import STEP, CentralDifferences
from offctx.envs.dm_control.compiled import CompiledModels
from offctx.envs.dm_control.simulator import SuiteSimulator
from offctx.envs.dm_control.suite_files import suite_model
from offctx.envs.mujoco.state_layout import refuse_other_sizes
from offctx.errors import EnvError

_UNSTABLE = [getattr(mujoco.mjtWarning, f"mjWARN_BAD{kind}") for kind in ("QPOS", "QVEL", "QACC")]
_LENGTH_STEP = 1e-6  # of differences, relative to a length: contacts are stiff, and a length moves them


class DmControlFamily(CentralDifferences):
    """Environments that share the bodies, observations and starts of one task of DeepMind Control's suite.

    At the default context, observations, rewards and starts are those of `dm_control.suite`, bit for bit; in other contexts
    those of the suite's code with a model file that was edited by hand. Observations are the suite's, one after the other in
    its order. An episode never terminates. The default's start with a generator is the suite's for a task with these draws::

        rng, _ = gymnasium.utils.seeding.np_random(seed)  # as env.reset(seed=seed) makes it
        dm_control.suite.load("cartpole", "balance", task_kwargs={"random": np.random.RandomState(rng.bit_generator)})

    A state holds what MuJoCo calls the full physics (time, positions, velocities, ...), the solver's warm start, what
    observation and reward read of the quantities that follow from these, and what stays the same for the whole episode.

    A subclass sets the attributes below and implements `draw_start`, `observations` and `rewards`; with lengths, also `edit`;
    with other coordinates, `_set` or `_controls`.

    Attributes:
        suite_name: of the model's file.
        n_sub_steps: MuJoCo's steps in one step of the environment.
        lengths: the coordinates for which a model is compiled.
        episode_size: e.

    Args:
        threads: for batched simulation; as many as there are cores where not given.

    Raises:
        EnvError: `dm_control` is not installed, or `threads` is no whole number >= 1.
    """

    suite_name: ClassVar[str]
    n_sub_steps: ClassVar[int] = 1
    lengths: ClassVar[tuple[str, ...]] = ()
    episode_size: ClassVar[int] = 0

    def __init__(self, *, threads: int | None = None) -> None:
        if threads is not None:
            threads = whole_number(threads, "threads", 1, EnvError)
        space = self.context_space
        self._length_places = [space.index(name) for name in self.lengths]
        self._models = CompiledModels(suite_model(self.suite_name), self.edit, space.default[self._length_places])
        self.model = self._models.model
        self.simulator = SuiteSimulator(
            self.model,
            self.n_sub_steps,
            self._apply,
            read=self.read(self.model),
            episode_size=self.episode_size,
            threads=threads,
        )
        low, high = self.model.actuator_ctrlrange.T.copy()
        self.action_space = spaces.Box(low, high, dtype=np.float64)
        (observation,) = self.observations(np.zeros((1, self.simulator.layout.size)))
        self.observation_space = spaces.Box(-np.inf, np.inf, observation.shape, np.float64)
        steps = np.where(np.isin(space.names, self.lengths), _LENGTH_STEP, STEP)
        self._set_scales(np.where(space.default == 0, 1.0, np.abs(space.default)), steps)

    @staticmethod
    def edit(spec: mujoco.MjSpec, lengths: Contexts) -> None:
        """Sets the lengths (l,) in the specification of the suite's model."""

    @staticmethod
    @abstractmethod
    def read(model: mujoco.MjModel) -> Mapping[str, Sequence[int]]:
        """Quantities of `MjData` that observations and rewards read, and which of their numbers."""

    @abstractmethod
    def draw_start(self, draws: np.random.RandomState, model: mujoco.MjModel, data: mujoco.MjData) -> Sequence[float]:
        """Draws what the suite draws when an episode starts.

        Args:
            draws: source of randomness.
            model: of the context.
            data: at rest; its positions and velocities are changed.

        Returns:
            What stays the same for the whole episode (e,).
        """

    @abstractmethod
    def rewards(self, states: Array, controls: Array) -> Array:
        """The rewards (N,) of steps with controls (N, u) that led to states (N, s)."""

    def _set(self, model: mujoco.MjModel, data: mujoco.MjData, context: Contexts) -> None:
        """Sets what needs no compiler in the model of a context (p,), whatever it was before; `data` is scratch."""

    def _controls(self, actions: Array, contexts: Contexts) -> Array:
        """The controls (N, u) of actions (N, a) in contexts (N, p)."""
        return actions

    def _apply(self, model: mujoco.MjModel, data: mujoco.MjData, context: Contexts) -> None:
        self._models.apply(model, context[self._length_places])
        self._set(model, data, context)

    def part(self, states: Array, name: str) -> Array:
        """What states (N, s) hold of a quantity of `read`, or of `EPISODE`: (N, numbers), contiguous."""
        return np.ascontiguousarray(states[:, self.simulator.layout.derived[name]])

    def initial_state(self, rng: np.random.Generator, context: Contexts) -> Array:
        """The state (s,) in which the suite starts an episode in the model of the context (p,), with draws from `rng`."""
        workspace = self.simulator.workspace()
        context = np.asarray(context, dtype=np.float64)
        workspace.set_context(context)
        model, data = workspace.model, workspace.data
        mujoco.mj_resetData(model, data)
        mujoco.mj_forward(model, data)
        episode = self.draw_start(np.random.RandomState(rng.bit_generator), model, data)
        mujoco.mj_forward(model, data)
        self._refuse_unstable(np.array([any(data.warning[kind].number for kind in _UNSTABLE)]), context[None], "at the start")
        return self.simulator.start_state(workspace, episode)

    def simulate(
        self, states: Array, actions: Array, contexts: Array, noise: Array | None = None
    ) -> tuple[Array, Array, Array]:
        """One step of N rows by MuJoCo; `noise` is unused, the dynamics are deterministic.

        Raises:
            EnvError: a simulation is unstable. MuJoCo would go on from rest; the suite stops with an error, too.
        """
        states, contexts = np.asarray(states, dtype=np.float64), np.asarray(contexts, dtype=np.float64)
        controls = self._controls(np.asarray(actions, dtype=np.float64), contexts)
        next_states = self.simulator.step(states, controls, contexts)
        least = (self.n_sub_steps - 0.5) * self.model.opt.timestep  # the first number of a state is the time [s]
        self._refuse_unstable(next_states[:, 0] - states[:, 0] < least, contexts, "within a step")
        return next_states, self.rewards(next_states, controls), np.zeros(len(states), dtype=bool)

    def states_from_physics(self, qpos: Array, qvel: Array) -> Array:
        """States at time 0, as at the start of an episode of the suite with these positions and velocities.

        Args:
            qpos: MuJoCo's positions (N, nq).
            qvel: MuJoCo's velocities (N, nv).

        Returns:
            (N, s).

        Raises:
            EnvError: the sizes are not those of this model, or they do not determine a whole state.
        """
        refuse_other_sizes(self.model, qpos, qvel)
        if self.episode_size:
            raise EnvError(f"{type(self).__name__}: qpos and qvel do not determine what stays the same for a whole episode")
        workspace = self.simulator.workspace()
        workspace.set_context(self.context_space.default)
        states = np.empty((len(qpos), self.simulator.layout.size))
        for k in range(len(qpos)):
            mujoco.mj_resetData(workspace.model, workspace.data)
            workspace.data.qpos[:], workspace.data.qvel[:] = qpos[k], qvel[k]
            mujoco.mj_forward(workspace.model, workspace.data)
            states[k] = self.simulator.start_state(workspace, ())
        return states

    def _refuse_unstable(self, unstable: Array, contexts: Contexts, when: str) -> None:
        """EnvError with the first context (p,) of (N, p) in which a simulation was unstable (N,)."""
        if unstable.any():
            where = self.context_space.describe(contexts[np.argmax(unstable)])
            raise EnvError(f"{type(self).__name__}: MuJoCo finds the simulation unstable {when}, in context {where}")
