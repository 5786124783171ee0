"""What one thread needs to step a suite's task: models of recent contexts, and the data of rows that it stepped last.

Dimensions: p context.
"""

import mujoco

from offctx.contexts.space import Contexts
from offctx.envs.base import Array
from offctx.envs.mujoco.state_layout import MUJOCO_PARTS
from offctx.envs.mujoco.workspace import Apply, Workspace

_MODELS = 256  # kept, of 20 kB each: a model without textures is small
_ROWS = 64  # whose data is kept, some 0.4 MB each


class SuiteWorkspace(Workspace):
    """Steps rows as `dm_control` does, which leaves data with all that depends on the positions and velocities of a state.

    A step begins with these quantities. Where a row goes on from a state that was stepped to before, as in an episode, its data
    has them still; otherwise they are computed again, with the same result.

    Args:
        model: the scratch model.
        apply: changes a model to that of a context (p,), whatever its context was before.
        n_sub_steps: MuJoCo's steps in one step of the environment.
    """

    def __init__(self, model: mujoco.MjModel, apply: Apply, n_sub_steps: int) -> None:
        super().__init__(model, apply, _MODELS)
        self._n, self._whole = n_sub_steps, model.opt.integrator == mujoco.mjtIntegrator.mjINT_RK4
        self._ready: dict[bytes, mujoco.MjData] = {}  # by context and state; the most recent last
        self._spares: list[mujoco.MjData] = []

    def step(self, state: Array, controls: Array, context: Contexts) -> mujoco.MjData:
        """One step of the environment.

        Args:
            state: the part that MuJoCo reads and writes; changed to the next state's.
            controls: (u,).
            context: (p,).

        Returns:
            the data of the next state.
        """
        model, prefix = self.model_of(context), context.tobytes()
        data = self._ready.pop(prefix + state.tobytes(), None)
        if data is None:
            data = self._spare()
            mujoco.mj_setState(model, data, state, MUJOCO_PARTS)
            if not self._whole:
                mujoco.mj_step1(model, data)
        data.ctrl[:] = controls
        if self._whole:
            mujoco.mj_step(model, data, self._n)
        else:
            mujoco.mj_step2(model, data)
            if self._n > 1:
                mujoco.mj_step(model, data, self._n - 1)
        mujoco.mj_step1(model, data)
        mujoco.mj_getState(model, data, state, MUJOCO_PARTS)
        key = prefix + state.tobytes()
        replaced = self._ready.pop(key, None)  # of another row that came to the same state
        if replaced is not None:
            self._spares.append(replaced)
        self._ready[key] = data
        return data

    def _spare(self) -> mujoco.MjData:
        """Unused data, or else that of the row that was stepped the longest time ago."""
        if self._spares:
            return self._spares.pop()
        full = len(self._ready) >= _ROWS
        return self._ready.pop(next(iter(self._ready))) if full else mujoco.MjData(self.model)
