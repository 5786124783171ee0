"""CartpoleBalance: DeepMind Control's cartpole-balance with poles of other lengths, and an action that may be inverted."""

from collections.abc import Mapping, Sequence

import mujoco
import numpy as np

from offctx.contexts.aib import with_aib_splits
from offctx.contexts.space import Contexts, ContextSpace
from offctx.envs.base import Array
from offctx.envs.dm_control.action_factor import ActionFactor
from offctx.envs.dm_control.rewards import gaussian, gaussian_of_numbers, quadratic, soft_indicator

_POLE = "pole_1"


class CartpoleBalance(ActionFactor):
    """DeepMind Control's cartpole-balance: a cart shall keep its pole upright. Contexts: arXiv 2602.06550.

    Observations: position of the cart [m], cosine and sine of the pole's angle, velocity of the cart [m/s] and of the angle
    [rad/s]. `pole_length` [m] is the distance from the hinge to the pole's centre of mass, half of the whole pole, whose mass
    stays. `action_factor` multiplies the action. Splits: `offctx.aib_splits` with lengths of [0.3, 0.85] for training.

    Args:
        threads: for batched simulation; as many as there are cores where not given.
    """

    context_space = with_aib_splits(
        ContextSpace(
            names=["pole_length", "action_factor"],
            low=(0.1, -1.0),
            high=(2.0, 1.0),
            default=(0.5, 1.0),
            units=["m", ""],
            constraints=["pole_length > 0"],
            discrete={"action_factor": [-1.0, 1.0]},
            kinds="dynamics",
        ),
        {"pole_length": (0.3, 0.85)},
    )
    suite_name = "cartpole"
    lengths = ("pole_length",)

    @staticmethod
    def edit(spec: mujoco.MjSpec, lengths: Contexts) -> None:
        spec.geom(_POLE).fromto[5] = 2 * lengths[0]

    @staticmethod
    def read(model: mujoco.MjModel) -> Mapping[str, Sequence[int]]:
        pole = 9 * model.body(_POLE).id
        return {"xmat": [pole + 8, pole + 2]}  # cosine and sine of its angle

    def draw_start(self, draws: np.random.RandomState, model: mujoco.MjModel, data: mujoco.MjData) -> Sequence[float]:
        data.qpos[0] = draws.uniform(-0.1, 0.1)
        data.qpos[1] = draws.uniform(-0.034, 0.034)
        data.qvel[:] = 0.01 * draws.randn(2)
        return ()

    def observations(self, states: Array) -> Array:
        q, v = self.simulator.layout.qpos, self.simulator.layout.qvel
        return np.concatenate([states[:, q][:, :1], self.part(states, "xmat"), states[:, v]], axis=1)

    def states_from_observations(self, observations: Array) -> Array:
        angles = np.arctan2(observations[:, 2], observations[:, 1])
        return self.states_from_physics(np.stack([observations[:, 0], angles], axis=1), observations[:, 3:])

    def rewards(self, states: Array, controls: Array) -> Array:
        observations = self.observations(states)
        position, cosine, angular_velocity = (np.ascontiguousarray(observations[:, k]) for k in (0, 1, 4))
        upright = (cosine + 1) / 2
        centered = (1 + soft_indicator(position, 0, 0, 2, gaussian_of_numbers)) / 2
        small_control = (4 + soft_indicator(controls[:, 0], 0, 0, 1, quadratic)) / 5
        small_velocity = (1 + soft_indicator(angular_velocity, 0, 0, 5, gaussian)) / 2
        return np.asarray(upright * small_control * small_velocity * centered)
