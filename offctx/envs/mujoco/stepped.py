"""Any other Gymnasium MuJoCo environment: rows go through its own `step`, one by one.

Slower than `tasks.py`, and on one thread, but it works for every environment. A state then also holds what the
environment's step returned: observation, reward and termination.

Dimensions: N rows, s state, o observation, u controls, p context.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import mujoco
import numpy as np

from offctx.contexts.space import Contexts
from offctx.envs.base import Array
from offctx.envs.mujoco.simulator import Simulator
from offctx.envs.mujoco.state_layout import MUJOCO_PARTS
from offctx.envs.mujoco.tasks import MujocoTask
from offctx.envs.mujoco.workspace import Apply, Workspace
from offctx.errors import EnvError

_OUTCOME = "outcome"  # observation, reward, termination

Lend = Callable[[mujoco.MjModel, mujoco.MjData], AbstractContextManager[None]]


class SteppedTask(MujocoTask):
    """Reads observation, reward and termination from the state."""

    derived = ("xpos", "xipos")  # some rewards compare positions before the step with those after it

    def observations(self, states: Array) -> Array:
        """The observations (N, o) that the environment returned with these states."""
        return np.asarray(states[:, self.layout.derived[_OUTCOME]][:, :-2], dtype=self.env.observation_space.dtype)

    def rewards(self, states: Array, actions: Array, next_states: Array) -> Array:
        """The rewards (N,) that the environment returned with the next states."""
        return np.asarray(next_states[:, -2])

    def terminations(self, next_states: Array) -> Array:
        """The terminations (N,) that the environment returned with the next states."""
        return np.asarray(next_states[:, -1] != 0)

    def states(self, observations: Array) -> tuple[Array, Array]:
        """Always raises EnvError: what the observations consist of is unknown."""
        raise EnvError(
            f"offctx does not know what {type(self.env).__name__}'s observations are made of: infos qpos and qvel, or state, "
            f"are needed"
        )


class SteppedSimulator(Simulator):
    """A simulator that lends its model and data to the environment for each row.

    Args:
        env: the Gymnasium environment.
        lend: puts a model and data into the environment for a while.
        apply: changes a model to that of a context (p,), whatever its context was before.
    """

    def __init__(self, env: Any, lend: Lend, apply: Apply) -> None:
        super().__init__(env.model, env.frame_skip, apply, derived=SteppedTask.derived, threads=1)
        self._env, self._lend = env, lend
        end, size = self.layout.size, env.observation_space.shape[0] + 2
        derived = {**self.layout.derived, _OUTCOME: slice(end, end + size)}
        self.layout = replace(self.layout, size=end + size, derived=derived)

    def start(self, workspace: Workspace, observation: Array) -> Array:
        """The state (s,) of a workspace's data, with the observation (o,), no reward and no termination."""
        state = np.zeros(self.layout.size)
        self._read_into(state, workspace)
        state[self.layout.derived[_OUTCOME]] = [*observation, 0.0, 0.0]
        return state

    def _read_into(self, row: Array, workspace: Workspace) -> None:
        mujoco.mj_getState(workspace.model, workspace.data, row[: self.layout.end], MUJOCO_PARTS)
        for name in SteppedTask.derived:
            row[self.layout.derived[name]] = getattr(workspace.data, name).ravel()

    def _step_rows(
        self, workspace: Workspace, rows: Array, states: Array, controls: Array, contexts: Contexts, next_states: Array
    ) -> None:
        model, data = workspace.model, workspace.data
        with self._lend(model, data):
            for i in rows.tolist():
                workspace.set_context(contexts[i])
                mujoco.mj_setState(model, data, states[i, : self.layout.end], MUJOCO_PARTS)
                for name in SteppedTask.derived:
                    getattr(data, name)[:] = states[i, self.layout.derived[name]].reshape(-1, 3)
                observation, reward, terminated, _, _ = self._env.step(controls[i])
                self._read_into(next_states[i], workspace)
                next_states[i, self.layout.derived[_OUTCOME]] = [*observation, reward, terminated]
