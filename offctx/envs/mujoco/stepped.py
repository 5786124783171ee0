"""Any other Gymnasium MuJoCo environment: rows go through its own `step`, one by one.

Slower than `tasks.py` and on one thread, but it needs to know nothing of the environment. A state then also holds what
the environment's step made of it: observation, reward and termination.

Dimensions: N rows, s state, o observation, p context.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import mujoco
import numpy as np

from offctx.contexts.space import Contexts
from offctx.envs.base import Array
from offctx.envs.mujoco.simulator import SPEC, Apply, Bench, Simulator
from offctx.envs.mujoco.tasks import MujocoTask
from offctx.errors import EnvError

_OUTCOME = "outcome"  # observation, reward, termination

Lend = Callable[[mujoco.MjModel, mujoco.MjData], AbstractContextManager[None]]


class SteppedTask(MujocoTask):
    """Reads observation, reward and termination off the state."""

    derived = ("xpos", "xipos")  # some rewards compare places before the step with those after it

    def observations(self, states: Array) -> Array:
        return np.asarray(states[:, self.layout.derived[_OUTCOME]][:, :-2], dtype=self.env.observation_space.dtype)

    def rewards(self, states: Array, actions: Array, following: Array) -> Array:
        return np.asarray(following[:, -2])

    def terminations(self, following: Array) -> Array:
        return np.asarray(following[:, -1] != 0)

    def states(self, observations: Array) -> tuple[Array, Array]:
        raise EnvError(
            f"offctx does not know what {type(self.env).__name__}'s observations are made of: infos qpos and qvel, or state, "
            f"are needed"
        )


class SteppedSimulator(Simulator):
    """A simulator that lends its model and data to the environment for each row."""

    def __init__(self, env: Any, lend: Lend, apply: Apply) -> None:
        super().__init__(env.model, env.frame_skip, apply, derived=SteppedTask.derived, threads=1)
        self._env, self._lend = env, lend
        end, size = self.layout.size, env.observation_space.shape[0] + 2
        carried = {**self.layout.derived, _OUTCOME: slice(end, end + size)}
        self.layout = replace(self.layout, size=end + size, derived=carried)

    def start(self, bench: Bench, observation: Array) -> Array:
        state = np.zeros(self.layout.size)
        self._read_into(state, bench)
        state[self.layout.derived[_OUTCOME]] = [*observation, 0.0, 0.0]
        return state

    def _read_into(self, row: Array, bench: Bench) -> None:
        mujoco.mj_getState(bench.model, bench.data, row[: self.layout.end], SPEC)
        for name in SteppedTask.derived:
            row[self.layout.derived[name]] = getattr(bench.data, name).ravel()

    def _step_rows(
        self, bench: Bench, rows: Array, states: Array, controls: Array, contexts: Contexts, following: Array
    ) -> None:
        model, data = bench.model, bench.data
        with self._lend(model, data):
            for i in rows.tolist():
                bench.turn(contexts[i])
                mujoco.mj_setState(model, data, states[i, : self.layout.end], SPEC)
                for name in SteppedTask.derived:
                    getattr(data, name)[:] = states[i, self.layout.derived[name]].reshape(-1, 3)
                observation, reward, terminated, _, _ = self._env.step(controls[i])
                self._read_into(following[i], bench)
                following[i, self.layout.derived[_OUTCOME]] = [*observation, reward, terminated]
