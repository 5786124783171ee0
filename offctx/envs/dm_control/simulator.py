"""Many states of a suite's task stepped at once, each with the model of its own context, in `dm_control`'s order.

After the steps of MuJoCo, `dm_control` computes all that depends on positions and velocities: observations and rewards do
not lag behind them. What a task reads of that is part of a state, and numbers that stay the same for a whole episode, such as
the place of a target.

Dimensions: N rows, s state, u controls, p context, e numbers of an episode.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace

import mujoco
import numpy as np

from offctx.contexts.space import Contexts
from offctx.envs.base import Array
from offctx.envs.dm_control.workspace import SuiteWorkspace
from offctx.envs.mujoco.simulator import Simulator
from offctx.envs.mujoco.state_layout import MUJOCO_PARTS
from offctx.envs.mujoco.workspace import Apply, Workspace

EPISODE = "episode"  # the name of its numbers in the layout


class SuiteSimulator(Simulator):
    """Steps states of one model in many contexts.

    Args:
        model: the model, which is left as it is.
        n_sub_steps: MuJoCo's steps in one step of the environment.
        apply: changes a copy of the model to that of a context (p,), whatever its context was before.
        read: quantities of `MjData` that are part of a state, and which of their numbers.
        episode_size: e.
        threads: how many to use; as many as there are cores for this process where not given. One suffices where a step is
            one step of MuJoCo: it takes some 10 microseconds, and threads would wait for the interpreter's lock.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        n_sub_steps: int,
        apply: Apply,
        *,
        read: Mapping[str, Sequence[int]],
        episode_size: int = 0,
        threads: int | None = None,
    ) -> None:
        super().__init__(model, n_sub_steps, apply, threads=threads if n_sub_steps > 1 else 1)
        self._read = [(name, np.array(numbers, dtype=np.intp)) for name, numbers in read.items()]
        begin, parts = self.layout.end, {}
        for name, numbers in [*self._read, (EPISODE, np.empty(episode_size))]:
            parts[name] = slice(begin, begin + len(numbers))
            begin += len(numbers)
        self.layout = replace(self.layout, size=begin, derived=parts)

    def _new_workspace(self) -> SuiteWorkspace:
        return SuiteWorkspace(copy.copy(self.model), self._apply, self.frame_skip)

    def start_state(self, workspace: Workspace, episode: Sequence[float]) -> Array:
        """The state (s,) of a workspace's data, with these numbers of its episode (e,)."""
        state = np.empty(self.layout.size)
        self._read_into(state, workspace)
        state[self.layout.derived[EPISODE]] = episode
        return state

    def _read_into(self, row: Array, workspace: Workspace) -> None:
        mujoco.mj_getState(workspace.model, workspace.data, row[: self.layout.end], MUJOCO_PARTS)
        for name, numbers in self._read:
            row[self.layout.derived[name]] = getattr(workspace.data, name).ravel()[numbers]

    def step(self, states: Array, controls: Array, contexts: Contexts) -> Array:
        """One step of the environment: next states (N, s) of states (N, s) under controls (N, u) in contexts (N, p)."""
        next_states = super().step(states, controls, contexts)
        part = self.layout.derived[EPISODE]
        next_states[:, part] = states[:, part]
        return next_states

    def _step_rows(
        self, workspace: Workspace, rows: Array, states: Array, controls: Array, contexts: Contexts, next_states: Array
    ) -> None:
        """Steps the rows with these indices. The loop is short, as it holds the interpreter's lock between MuJoCo's calls."""
        assert isinstance(workspace, SuiteWorkspace)
        end = self.layout.end
        physics, inputs, contexts = states[rows, :end], controls[rows], contexts[rows]
        quantities = {name: np.empty((len(rows), getattr(workspace.data, name).size)) for name, _ in self._read}
        for i in range(len(rows)):
            data = workspace.step(physics[i], inputs[i], contexts[i])
            for name, quantity in quantities.items():
                quantity[i] = getattr(data, name).ravel()
        next_states[rows, :end] = physics
        for name, numbers in self._read:
            next_states[rows, self.layout.derived[name]] = quantities[name][:, numbers]
