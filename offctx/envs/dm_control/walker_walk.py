"""WalkerWalk: DeepMind Control's walker-walk under other gravity, with stronger or weaker actuators."""

from collections.abc import Mapping, Sequence

import mujoco
import numpy as np

from offctx.contexts.space import Contexts
from offctx.envs.base import Array
from offctx.envs.dm_control.family import DmControlFamily
from offctx.envs.dm_control.joints import draw_joints
from offctx.envs.dm_control.rewards import gaussian_of_numbers, linear, soft_indicator
from offctx.envs.gravity_and_strength_space import GRAVITY_AND_STRENGTH

_TORSO, _HEIGHT, _SPEED = "torso", 1.2, 1.0  # height [m] and speed [m/s] of full reward


class WalkerWalk(DmControlFamily):
    """DeepMind Control's walker-walk: a planar body shall stand, and walk at 1 m/s or faster. Contexts: arXiv 2602.06550.

    Observations: for the seven bodies, two components of their orientation (xx and xz of the matrix); the height of the torso
    [m]; velocities. `actuator_strength` multiplies the gears of all actuators. Splits:
    `offctx.aib_splits` with [4.91, 14.71] m/s^2 and strengths of [0.5, 1.5] for training.

    Args:
        threads: for batched simulation; as many as there are cores where not given.
    """

    context_space = GRAVITY_AND_STRENGTH
    suite_name = "walker"
    n_sub_steps = 10

    def _set(self, model: mujoco.MjModel, data: mujoco.MjData, context: Contexts) -> None:
        model.opt.gravity[2] = -context[0]
        model.actuator_gear[:] = self.model.actuator_gear * context[1]
        mujoco.mj_setConst(model, data)  # accelerations that the actuators can give

    @staticmethod
    def read(model: mujoco.MjModel) -> Mapping[str, Sequence[int]]:
        torso, sensor = model.body(_TORSO).id, model.sensor("torso_subtreelinvel").adr[0]
        orientations = [9 * body + k for body in range(1, model.nbody) for k in (0, 2)]
        return {"xmat": [*orientations, 9 * torso + 8], "xpos": [3 * torso + 2], "sensordata": [sensor]}

    def draw_start(self, draws: np.random.RandomState, model: mujoco.MjModel, data: mujoco.MjData) -> Sequence[float]:
        draw_joints(draws, model, data)
        return ()

    def observations(self, states: Array) -> Array:
        v = self.simulator.layout.qvel
        return np.concatenate([self.part(states, "xmat")[:, :-1], self.part(states, "xpos"), states[:, v]], axis=1)

    def states_from_observations(self, observations: Array) -> Array:
        """States whose observations are these, where the way begins: nothing depends on it."""
        torso, *bodies = range(1, self.model.nbody)
        angles = np.arctan2(observations[:, 1:14:2], observations[:, 0:14:2])  # of bodies, about y
        joints = [angles[:, self.model.body_parentid[body] - 1] - angles[:, body - 1] for body in bodies]  # about -y
        height = observations[:, 14] - self.model.body_pos[torso, 2]
        qpos = np.stack([height, np.zeros(len(height)), angles[:, 0], *joints], axis=1)
        qpos[:, 3:] = (qpos[:, 3:] + np.pi) % (2 * np.pi) - np.pi
        return self.states_from_physics(qpos, observations[:, 15:])

    def rewards(self, states: Array, controls: Array) -> Array:
        height, speed = self.part(states, "xpos")[:, 0], self.part(states, "sensordata")[:, 0]
        standing = soft_indicator(height, _HEIGHT, np.inf, _HEIGHT / 2, gaussian_of_numbers)
        upright = (1 + self.part(states, "xmat")[:, -1]) / 2
        walking = soft_indicator(speed, _SPEED, np.inf, _SPEED / 2, linear(0.5))
        return np.asarray((3 * standing + upright) / 4 * (5 * walking + 1) / 6)
