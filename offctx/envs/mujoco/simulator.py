"""Many MuJoCo states stepped at once, each with the model of its own context.

There are two ways, and both take the same time per row on few cores:

- `step` gives the whole next state, solver warm start and derived quantities included, so that an episode goes on from it
  bit for bit as Gymnasium's does. `mujoco.rollout` returns neither, therefore threads step rows one by one (MuJoCo
  releases the interpreter's lock while it works).
- `outcomes` gives positions and velocities only, by `mujoco.rollout`: all that a one-step question needs, such as a
  context derivative.

Dimensions: N rows, V variants of one context, s state, o observation, u controls, p context.
"""

import copy
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import mujoco
import mujoco.rollout
import numpy as np

from offctx.contexts.space import Contexts
from offctx.envs.base import Array
from offctx.envs.mujoco.state_layout import MUJOCO_PARTS, StateLayout
from offctx.envs.mujoco.workspace import Apply, Workspace
from offctx.workers.cores import available_cores

_ROLLOUT_ROWS = 4096  # in one native call, to bound memory: it returns every substep


class Simulator:
    """Steps states of one model in many contexts.

    Args:
        model: the model, which is left as it is.
        frame_skip: MuJoCo's steps in one step of the environment.
        apply: changes a copy of the model to that of a context (p,), whatever its context was before.
        derived: quantities of `MjData` that are part of a state, because the observation or reward reads them.
        threads: how many to use; as many as there are cores for this process where not given.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        frame_skip: int,
        apply: Apply,
        *,
        derived: Sequence[str] = (),
        threads: int | None = None,
    ) -> None:
        self.model, self.frame_skip = model, frame_skip
        self.layout = StateLayout.of(model, derived)
        self.threads = threads or available_cores()
        self._apply = apply
        self._workspaces: list[Workspace] = []
        self._variants: list[mujoco.MjModel] = []

    def __deepcopy__(self, memo: dict[int, object]) -> "Simulator":
        return self  # it has no state of its own that outlives a call

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_workspaces": [], "_variants": []}  # scratch, which each process makes for itself

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self.threads = min(self.threads, available_cores())  # of the process that it has come to

    def workspace(self, k: int = 0) -> Workspace:
        """The scratch model and data of the k-th thread."""
        while len(self._workspaces) <= k:
            self._workspaces.append(self._new_workspace())
        return self._workspaces[k]

    def _new_workspace(self) -> Workspace:
        return Workspace(copy.copy(self.model), self._apply)

    def start(self, workspace: Workspace, observation: Array) -> Array:
        """The state (s,) of a workspace's data, whose observation is `observation` (o,)."""
        state = np.empty(self.layout.size)
        self._read_into(state, workspace)
        return state

    def _read_into(self, row: Array, workspace: Workspace) -> None:
        mujoco.mj_getState(workspace.model, workspace.data, row[: self.layout.end], MUJOCO_PARTS)
        for name, part in self.layout.derived.items():
            row[part] = getattr(workspace.data, name).ravel()

    def step(self, states: Array, controls: Array, contexts: Contexts) -> Array:
        """One step of the environment.

        Args:
            states: (N, s).
            controls: (N, u).
            contexts: (N, p).

        Returns:
            next states (N, s).
        """
        states = np.ascontiguousarray(states, dtype=np.float64)
        next_states = np.empty_like(states)
        order = np.lexsort(contexts.T)  # rows of one context are neighbours, so that its model is made once
        workers = min(self.threads, len(states) // 4) or 1
        parts = np.array_split(order, workers)
        own, *others = [(self.workspace(k), rows, states, controls, contexts, next_states) for k, rows in enumerate(parts)]
        jobs = [_pool(self.threads).submit(self._step_rows, *job) for job in others]
        self._step_rows(*own)
        for job in jobs:
            job.result()
        return next_states

    def _step_rows(
        self, workspace: Workspace, rows: Array, states: Array, controls: Array, contexts: Contexts, next_states: Array
    ) -> None:
        """Steps the rows with these indices. The time of this loop is MuJoCo's; Python adds some 3 % for the lightest model."""
        data, end = workspace.data, self.layout.end
        for i in rows.tolist():
            model = workspace.model_of(contexts[i])
            mujoco.mj_setState(model, data, states[i, :end], MUJOCO_PARTS)
            data.ctrl[:] = controls[i]
            mujoco.mj_step(model, data, self.frame_skip)
            if self.layout.derived:
                mujoco.mj_rnePostConstraint(model, data)
            self._read_into(next_states[i], workspace)

    def outcomes(self, states: Array, controls: Array, variants: Contexts) -> Array:
        """One step of every state in every context.

        Args:
            states: (N, s).
            controls: of every state in every context (V, N, u).
            variants: contexts (V, p).

        Returns:
            next states (V, N, s), in which only the physics is set; the rest is 0.
        """
        states, v = np.asarray(states, dtype=np.float64), len(variants)
        models = self._variant_models(variants)
        next_states = np.zeros((v, len(states), self.layout.size))
        most = max(_ROLLOUT_ROWS // v, 1)
        for begin in range(0, len(states), most):
            rows = slice(begin, begin + most)
            next_states[:, rows, self.layout.physics] = self._rollout(models, states[rows], controls[:, rows])
        return next_states

    def _variant_models(self, variants: Contexts) -> list[mujoco.MjModel]:
        while len(self._variants) < len(variants):
            self._variants.append(copy.copy(self.model))
        models = self._variants[: len(variants)]
        for model, variant in zip(models, variants, strict=True):
            self._apply(model, self.workspace().data, variant)
        return models

    def _rollout(self, models: list[mujoco.MjModel], states: Array, controls: Array) -> Array:
        """The physics after one step of every state (N, s) with every model: (V, N, size of the physics)."""
        v, n, layout = len(models), len(states), self.layout
        substeps = np.empty((v * n, self.frame_skip, len(layout.physics)))
        mujoco.rollout.rollout(
            [model for model in models for _ in range(n)],
            [self.workspace(k).data for k in range(self.threads)],
            np.tile(states[:, layout.physics], (v, 1)),
            np.repeat(controls.reshape(v * n, 1, -1).astype(np.float64), self.frame_skip, axis=1),
            nstep=self.frame_skip,
            initial_warmstart=np.tile(states[:, layout.warmstart], (v, 1)),
            state=substeps,
            sensordata=np.empty((v * n, self.frame_skip, self.model.nsensordata)),
            skip_checks=True,  # the checks are a Python loop over the models
            persistent_pool=True,
        )
        return substeps[:, -1].reshape(v, n, -1)


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="offctx-mujoco")
