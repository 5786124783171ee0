"""Where the parts of a simulator state lie.

A state (s,) holds what MuJoCo calls the full physics (time, positions, velocities, ...), the solver's warm start, and
derived quantities of `MjData`: all that the next step depends on, bit for bit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from offctx.envs.base import Array
from offctx.errors import EnvError

_PHYSICS = int(mujoco.mjtState.mjSTATE_FULLPHYSICS)
MUJOCO_PARTS = _PHYSICS | int(mujoco.mjtState.mjSTATE_WARMSTART)  # what MuJoCo itself reads and writes of a state


@dataclass(frozen=True)
class StateLayout:
    """Where the parts of a state lie.

    Attributes:
        size: numbers in a state, s.
        end: end of the part that MuJoCo's own functions read and write, which comes first.
        qpos: slice of the positions.
        qvel: slice of the velocities.
        physics: indices of the full physics state.
        warmstart: slice of the solver's warm start.
        derived: slice of each derived quantity of `MjData`.
    """

    size: int
    end: int
    qpos: slice
    qvel: slice
    physics: Array
    warmstart: slice
    derived: dict[str, slice]

    @classmethod
    def of(cls, model: mujoco.MjModel, derived: Sequence[str]) -> "StateLayout":
        """The layout for a model.

        Args:
            model: the model.
            derived: names of the quantities of `MjData` that are part of a state.
        """
        own: dict[int, slice] = {}
        end = 0
        for part in sorted(part for part in _single_parts() if part & MUJOCO_PARTS):
            size = mujoco.mj_stateSize(model, part)
            own[part], end = slice(end, end + size), end + size
        physics = [np.arange(own[part].start, own[part].stop) for part in own if part & _PHYSICS]
        data = mujoco.MjData(model)
        own_end, added = end, {}
        for name in derived:
            size = getattr(data, name).size
            added[name], end = slice(end, end + size), end + size
        state = mujoco.mjtState
        return cls(
            size=end,
            end=own_end,
            qpos=own[int(state.mjSTATE_QPOS)],
            qvel=own[int(state.mjSTATE_QVEL)],
            physics=np.concatenate(physics),
            warmstart=own[int(state.mjSTATE_WARMSTART)],
            derived=added,
        )


def refuse_other_sizes(model: mujoco.MjModel, qpos: Array, qvel: Array) -> None:
    """EnvError where positions (N, nq) or velocities (N, nv) are not of the model's size."""
    shapes = np.shape(qpos)[1:], np.shape(qvel)[1:]
    if shapes != ((model.nq,), (model.nv,)):
        raise EnvError(
            f"expected qpos (N, {model.nq}) and qvel (N, {model.nv}) of this model; found rows of {shapes[0]} and {shapes[1]}"
        )


def _single_parts() -> list[int]:
    """The single bits of MuJoCo's state specification."""
    last = int(mujoco.mjtState.mjSTATE_INTEGRATION)
    return [1 << k for k in range(last.bit_length()) if last >> k & 1]
