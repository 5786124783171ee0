"""CheetahRun: DeepMind Control's cheetah-run with limbs of other lengths, and actions that may be inverted."""

from collections.abc import Mapping, Sequence

import mujoco
import numpy as np

from offctx.contexts.aib import with_aib_splits
from offctx.contexts.space import Contexts, ContextSpace
from offctx.envs.base import Array
from offctx.envs.dm_control.action_factor import ActionFactor
from offctx.envs.dm_control.rewards import linear, soft_indicator

_LIMBS = (("bthigh", "bshin", "bfoot"), ("fthigh", "fshin", "ffoot"))  # each from the torso outwards
_SPEED = 10.0  # of full reward [m/s]
_SETTLING = 200  # steps of MuJoCo before an episode starts


class CheetahRun(ActionFactor):
    """DeepMind Control's cheetah-run: a planar body shall run at 10 m/s or faster. Contexts: arXiv 2602.06550.

    Observations: positions without that along the way [m, rad], and velocities [m/s, rad/s]. `limb_length` multiplies the
    lengths of thighs, shins and feet, and with them where one is fixed to the other; the total mass stays 14 kg.
    `action_factor` multiplies the actions. Splits: `offctx.aib_splits` with lengths of [0.8, 1.2] for training.

    Args:
        threads: for batched simulation; as many as there are cores where not given.
    """

    context_space = with_aib_splits(
        ContextSpace(
            names=["limb_length", "action_factor"],
            low=(0.4, -1.0),
            high=(1.6, 1.0),
            default=(1.0, 1.0),
            units=["", ""],
            constraints=["limb_length > 0"],
            discrete={"action_factor": [-1.0, 1.0]},
            kinds="dynamics",
        ),
        {"limb_length": (0.8, 1.2)},
    )
    suite_name = "cheetah"
    lengths = ("limb_length",)

    @staticmethod
    def edit(spec: mujoco.MjSpec, lengths: Contexts) -> None:
        for thigh, *lower in _LIMBS:
            for name in (thigh, *lower):
                spec.geom(name).pos *= lengths[0]
                spec.geom(name).size[1] *= lengths[0]  # half of a capsule's length
            for name in lower:
                spec.body(name).pos *= lengths[0]

    @staticmethod
    def read(model: mujoco.MjModel) -> Mapping[str, Sequence[int]]:
        return {"sensordata": [model.sensor("torso_subtreelinvel").adr[0]]}

    def draw_start(self, draws: np.random.RandomState, model: mujoco.MjModel, data: mujoco.MjData) -> Sequence[float]:
        limited = model.jnt_limited == 1
        data.qpos[limited] = draws.uniform(*model.jnt_range[limited].T)
        mujoco.mj_step2(model, data)
        mujoco.mj_step(model, data, _SETTLING - 1)
        mujoco.mj_step1(model, data)
        data.time = 0
        return ()

    def observations(self, states: Array) -> Array:
        q, v = self.simulator.layout.qpos, self.simulator.layout.qvel
        return np.concatenate([states[:, q][:, 1:], states[:, v]], axis=1)

    def states_from_observations(self, observations: Array) -> Array:
        """States whose observations are these, where the way begins: nothing depends on it."""
        nq = self.model.nq
        qpos = np.concatenate([np.zeros((len(observations), 1)), observations[:, : nq - 1]], axis=1)
        return self.states_from_physics(qpos, observations[:, nq - 1 :])

    def rewards(self, states: Array, controls: Array) -> Array:
        speed = self.part(states, "sensordata")[:, 0]
        return soft_indicator(speed, _SPEED, np.inf, _SPEED, linear(0.0))
