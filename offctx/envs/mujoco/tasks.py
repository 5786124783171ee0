"""What Gymnasium's environments make of simulated states: observations, rewards and terminations, for many rows at once.

Each follows its environment in Gymnasium's own order of operations, so that results agree bit for bit, and takes its
weights and ranges from the instance. Environments without a task here go through their own `step`, row by row
(`stepped.py`).

Dimensions: N rows, o observation, a action, b bodies.
"""

from typing import Any, ClassVar

import numpy as np
from gymnasium.envs.mujoco.ant_v5 import AntEnv
from gymnasium.envs.mujoco.half_cheetah_v5 import HalfCheetahEnv
from gymnasium.envs.mujoco.hopper_v5 import HopperEnv
from gymnasium.envs.mujoco.walker2d_v5 import Walker2dEnv

from offctx.envs.base import Array
from offctx.envs.mujoco.simulator import StateLayout
from offctx.errors import EnvError


class MujocoTask:
    """Forward locomotion, the common part: reward = progress + health - cost of control.

    Args:
        env: the Gymnasium environment.
        layout: of the simulator's states.
    """

    derived: ClassVar[tuple[str, ...]] = ()  # quantities of MjData that observation or reward read beside the state
    hidden: ClassVar[int] = 1  # leading positions that the observation leaves out

    def __init__(self, env: Any, layout: StateLayout) -> None:
        self.env, self.layout, self.dt = env, layout, env.dt

    # --- what the agent sees -----------------------------------------------------------------------------------------

    def observations(self, states: Array) -> Array:
        """(N, o)."""
        return np.concatenate([self._positions(states), self._velocities(states)], axis=1)

    def _positions(self, states: Array) -> Array:
        skipped = self.hidden if self.env._exclude_current_positions_from_observation else 0
        return np.asarray(states[:, self.layout.qpos][:, skipped:])

    def _velocities(self, states: Array) -> Array:
        return states[:, self.layout.qvel]

    def states(self, observations: Array) -> tuple[Array, Array]:
        """Positions and velocities that look like this; where the observation hides positions, which nothing depends on, 0.

        Raises:
            EnvError: the observation does not determine them.
        """
        q, v = self.layout.qpos, self.layout.qvel
        nq, nv = q.stop - q.start, v.stop - v.start
        hidden = self.hidden if self.env._exclude_current_positions_from_observation else 0
        qpos = np.concatenate([np.zeros((len(observations), hidden)), observations[:, : nq - hidden]], axis=1)
        return qpos, observations[:, nq - hidden : nq - hidden + nv]

    # --- what it earns -----------------------------------------------------------------------------------------------

    def rewards(self, states: Array, actions: Array, following: Array) -> Array:
        """(N,)."""
        forward = self.env._forward_reward_weight * self.velocities(states, following)[:, 0]
        return self.with_health(forward, following) - self.costs(actions, following)

    def velocities(self, states: Array, following: Array) -> Array:
        """Of the body, along the first axes, as the reward counts it (N, 1)."""
        x = self.layout.qpos.start
        return np.asarray((following[:, x : x + 1] - states[:, x : x + 1]) / self.dt)

    def costs(self, actions: Array, following: Array) -> Array:
        """Cost of control (and of contact), (N,)."""
        return np.asarray(self.env._ctrl_cost_weight * np.sum(np.square(actions), axis=1))

    def with_health(self, rewards: Array, following: Array) -> Array:
        """Rewards (N,) with what being healthy earns, where the environment pays for that."""
        return np.asarray(rewards + self.healthy(following) * self.env._healthy_reward)

    def healthy(self, states: Array) -> Array:
        """Booleans (N,)."""
        raise NotImplementedError

    def terminations(self, following: Array) -> Array:
        """Booleans (N,)."""
        return np.asarray(~self.healthy(following) & bool(self.env._terminate_when_unhealthy))


class HalfCheetah(MujocoTask):
    """Gymnasium's HalfCheetah-v5, which never falls."""

    def with_health(self, rewards: Array, following: Array) -> Array:
        """Rewards (N,) with what being healthy earns, where the environment pays for that."""
        return rewards

    def terminations(self, following: Array) -> Array:
        return np.zeros(len(following), dtype=bool)


class Walker2d(MujocoTask):
    """Gymnasium's Walker2d-v5."""

    def _velocities(self, states: Array) -> Array:
        return np.asarray(np.clip(states[:, self.layout.qvel], -10, 10))

    def states(self, observations: Array) -> tuple[Array, Array]:
        qpos, qvel = super().states(observations)
        clipped = np.asarray((np.abs(qvel) >= 10).any(axis=1))
        if clipped.any():
            raise EnvError(
                f"observations do not determine the simulator state: {type(self.env).__name__} clips velocities to 10 rad/s, "
                f"in {clipped.sum()} of {len(clipped)} rows; infos qpos and qvel, or state, are needed"
            )
        return qpos, qvel

    def healthy(self, states: Array) -> Array:
        z, angle = states[:, self.layout.qpos.start + 1], states[:, self.layout.qpos.start + 2]
        (low, high), (least, most) = self.env._healthy_z_range, self.env._healthy_angle_range
        return np.asarray((low < z) & (z < high) & (least < angle) & (angle < most))


class Hopper(Walker2d):
    """Gymnasium's Hopper-v5: the walker's, and no other coordinate may leave a wide range."""

    def healthy(self, states: Array) -> Array:
        rest = np.concatenate([states[:, self.layout.qpos], states[:, self.layout.qvel]], axis=1)[:, 2:]
        low, high = self.env._healthy_state_range
        return np.asarray(super().healthy(states) & ((low < rest) & (rest < high)).all(axis=1))


class Ant(MujocoTask):
    """Gymnasium's Ant-v5. It reads the torso's place and the contact forces as the last step left them."""

    derived = ("xpos", "cfrc_ext")
    hidden = 2

    def observations(self, states: Array) -> Array:
        parts = [self._positions(states), self._velocities(states)]
        if self.env._include_cfrc_ext_in_observation:
            parts.append(self._contact_forces(states)[:, 6:])  # not the world's
        return np.concatenate(parts, axis=1)

    def _contact_forces(self, states: Array) -> Array:
        return np.asarray(np.clip(states[:, self.layout.derived["cfrc_ext"]], *self.env._contact_force_range))

    def velocities(self, states: Array, following: Array) -> Array:
        """Of the torso in the plane (N, 2)."""
        torso = self.env.model.body(self.env._main_body).id
        begin = self.layout.derived["xpos"].start + 3 * torso
        plane = slice(begin, begin + 2)
        return np.asarray((following[:, plane] - states[:, plane]) / self.dt)

    def costs(self, actions: Array, following: Array) -> Array:
        contact = self.env._contact_cost_weight * np.sum(np.square(self._contact_forces(following)), axis=1)
        return np.asarray(super().costs(actions, following) + contact)

    def healthy(self, states: Array) -> Array:
        low, high = self.env._healthy_z_range
        z = states[:, self.layout.qpos.start + 2]
        moving = np.concatenate([states[:, self.layout.qpos], states[:, self.layout.qvel]], axis=1)
        return np.asarray(np.isfinite(moving).all(axis=1) & (low <= z) & (z <= high))


TASKS: dict[type, type[MujocoTask]] = {
    HalfCheetahEnv: HalfCheetah,
    HopperEnv: Hopper,
    Walker2dEnv: Walker2d,
    AntEnv: Ant,
}
