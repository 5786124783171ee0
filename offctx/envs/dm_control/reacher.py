"""ReacherEasy, ReacherHard and ReacherHardPermuted: DeepMind Control's reacher with arms of other lengths."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import mujoco
import numpy as np

from offctx.contexts.aib import with_aib_splits
from offctx.contexts.space import Contexts, ContextSpace
from offctx.envs.base import Array
from offctx.envs.dm_control.action_factor import ActionFactor
from offctx.envs.dm_control.family import DmControlFamily
from offctx.envs.dm_control.joints import draw_joints
from offctx.envs.dm_control.simulator import EPISODE

_PLANE = (0, 1)  # x and y of a position


class Reacher(DmControlFamily):
    """DeepMind Control's reacher: the finger of an arm of two links shall be at a target. Contexts: arXiv 2602.06550.

    Observations: angles of the two joints [rad], vector from finger to target [m], velocities of the joints [rad/s]. The
    reward is 1 where finger and target touch, and else 0. `arm_length` multiplies the lengths of both links; targets stay
    between 5 and 20 cm from the arm's root, so that a short arm cannot reach all of them.

    A subclass sets `target_size`, the radius of the target [m]. Splits: `offctx.aib_splits` with lengths of [0.8, 1.2] for
    training.
    """

    target_size: ClassVar[float]
    suite_name = "reacher"
    lengths = ("arm_length",)
    episode_size = 2  # the place of the target

    @staticmethod
    def edit(spec: mujoco.MjSpec, lengths: Contexts) -> None:
        for name in ("arm", "hand"):
            spec.geom(name).fromto[:] *= lengths[0]
        for name in ("hand", "finger"):
            spec.body(name).pos *= lengths[0]

    @staticmethod
    def read(model: mujoco.MjModel) -> Mapping[str, Sequence[int]]:
        finger = 3 * model.geom("finger").id
        return {"geom_xpos": [finger + k for k in _PLANE]}

    def draw_start(self, draws: np.random.RandomState, model: mujoco.MjModel, data: mujoco.MjData) -> Sequence[float]:
        draw_joints(draws, model, data)
        angle, distance = draws.uniform(0, 2 * np.pi), draws.uniform(0.05, 0.20)
        return distance * np.sin(angle), distance * np.cos(angle)

    def _to_target(self, states: Array) -> Array:
        return self.part(states, EPISODE) - self.part(states, "geom_xpos")

    def observations(self, states: Array) -> Array:
        q, v = self.simulator.layout.qpos, self.simulator.layout.qvel
        return np.concatenate([states[:, q], self._to_target(states), states[:, v]], axis=1)

    def rewards(self, states: Array, controls: Array) -> Array:
        offsets = self._to_target(states)
        squares = np.matmul(offsets[:, None], offsets[:, :, None])[:, 0, 0]  # the dot product that np.linalg.norm takes
        reach = self.target_size + self.model.geom("finger").size[0]
        return np.where(np.sqrt(squares) <= reach, 1.0, 0.0)


class ReacherEasy(ActionFactor, Reacher):
    """DeepMind Control's reacher-easy, whose target has a radius of 5 cm. `action_factor` multiplies the actions.

    Args:
        threads: for batched simulation; as many as there are cores where not given.
    """

    context_space = with_aib_splits(
        ContextSpace(
            names=["arm_length", "action_factor"],
            low=(0.4, -1.0),
            high=(1.6, 1.0),
            default=(1.0, 1.0),
            units=["", ""],
            constraints=["arm_length > 0"],
            discrete={"action_factor": [-1.0, 1.0]},
            kinds="dynamics",
        ),
        {"arm_length": (0.8, 1.2)},
    )
    target_size = 0.05


class ReacherHard(ReacherEasy):
    """`ReacherEasy` with a target of 1.5 cm: DeepMind Control's reacher-hard."""

    target_size = 0.015


class ReacherHardPermuted(Reacher):
    """`ReacherHard` with another second coordinate: `permutation` 1 exchanges the two actuators."""

    context_space = with_aib_splits(
        ContextSpace(
            names=["arm_length", "permutation"],
            low=(0.4, 0.0),
            high=(1.6, 1.0),
            default=(1.0, 0.0),
            units=["", ""],
            constraints=["arm_length > 0"],
            discrete={"permutation": [0.0, 1.0]},
            kinds="dynamics",
        ),
        {"arm_length": (0.8, 1.2)},
    )
    target_size = 0.015

    def _controls(self, actions: Array, contexts: Contexts) -> Array:
        return np.where(contexts[:, 1:] == 1, actions[:, ::-1], actions)
