"""Observations, rewards and terminations of Gymnasium's environments, from simulated states, for many rows at once.

Each task computes in Gymnasium's own order of operations, so that results agree bit for bit, and takes its weights and
ranges from the instance. Environments without a task here go through their own `step`, row by row (`stepped.py`).

Dimensions: N rows, s state, o observation, a action, nq positions, nv velocities.
"""

from typing import Any, ClassVar

import numpy as np
from gymnasium.envs.mujoco.ant_v5 import AntEnv
from gymnasium.envs.mujoco.half_cheetah_v5 import HalfCheetahEnv
from gymnasium.envs.mujoco.hopper_v5 import HopperEnv
from gymnasium.envs.mujoco.reacher_v5 import ReacherEnv
from gymnasium.envs.mujoco.walker2d_v5 import Walker2dEnv

from offctx.envs.base import Array
from offctx.envs.mujoco.state_layout import StateLayout
from offctx.errors import EnvError


class MujocoTask:
    """The common part of forward locomotion: reward = progress + health - cost of control.

    Args:
        env: the Gymnasium environment.
        layout: where the parts of the simulator's states lie.
    """

    derived: ClassVar[tuple[str, ...]] = ()  # quantities of MjData that observation or reward also read
    hidden: ClassVar[int] = 1  # leading positions that the observation leaves out

    def __init__(self, env: Any, layout: StateLayout) -> None:
        self.env, self.layout, self.dt = env, layout, env.dt

    def observations(self, states: Array) -> Array:
        """Observations (N, o) of states (N, s)."""
        return np.concatenate([self._positions(states), self._velocities(states)], axis=1)

    def _positions(self, states: Array) -> Array:
        skipped = self.hidden if self.env._exclude_current_positions_from_observation else 0
        return np.asarray(states[:, self.layout.qpos][:, skipped:])

    def _velocities(self, states: Array) -> Array:
        return states[:, self.layout.qvel]

    def states(self, observations: Array) -> tuple[Array, Array]:
        """Positions and velocities from observations; hidden positions, on which nothing depends, are 0.

        Args:
            observations: (N, o).

        Returns:
            positions (N, nq) and velocities (N, nv).

        Raises:
            EnvError: the observations do not determine them.
        """
        q, v = self.layout.qpos, self.layout.qvel
        nq, nv = q.stop - q.start, v.stop - v.start
        hidden = self.hidden if self.env._exclude_current_positions_from_observation else 0
        qpos = np.concatenate([np.zeros((len(observations), hidden)), observations[:, : nq - hidden]], axis=1)
        return qpos, observations[:, nq - hidden : nq - hidden + nv]

    def rewards(self, states: Array, actions: Array, next_states: Array) -> Array:
        """Rewards (N,) of steps from states (N, s) with actions (N, a) to next states (N, s)."""
        forward = self.env._forward_reward_weight * self.velocities(states, next_states)[:, 0]
        return self.with_health(forward, next_states) - self.costs(actions, next_states)

    def velocities(self, states: Array, next_states: Array) -> Array:
        """Velocities of the body (N, 1) along the first axis, as the reward counts them."""
        x = self.layout.qpos.start
        return np.asarray((next_states[:, x : x + 1] - states[:, x : x + 1]) / self.dt)

    def costs(self, actions: Array, next_states: Array) -> Array:
        """Costs of control, and of contact where the environment has them (N,)."""
        return np.asarray(self.env._ctrl_cost_weight * np.sum(np.square(actions), axis=1))

    def with_health(self, rewards: Array, next_states: Array) -> Array:
        """Rewards (N,) plus the environment's reward for being healthy."""
        return np.asarray(rewards + self.healthy(next_states) * self.env._healthy_reward)

    def healthy(self, states: Array) -> Array:
        """Whether states (N, s) are healthy, booleans (N,)."""
        raise NotImplementedError

    def terminations(self, next_states: Array) -> Array:
        """Whether next states (N, s) end the episode, booleans (N,)."""
        return np.asarray(~self.healthy(next_states) & bool(self.env._terminate_when_unhealthy))


class HalfCheetah(MujocoTask):
    """Gymnasium's HalfCheetah-v5, which never falls."""

    def with_health(self, rewards: Array, next_states: Array) -> Array:
        """The rewards (N,) as they are: this environment has no reward for being healthy."""
        return rewards

    def terminations(self, next_states: Array) -> Array:
        return np.zeros(len(next_states), dtype=bool)


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
    """Gymnasium's Hopper-v5: Walker2d's task, but every other coordinate must also stay in a wide range to be healthy."""

    def healthy(self, states: Array) -> Array:
        angles_and_velocities = np.concatenate([states[:, self.layout.qpos], states[:, self.layout.qvel]], axis=1)[:, 2:]
        low, high = self.env._healthy_state_range
        return np.asarray(
            super().healthy(states) & ((low < angles_and_velocities) & (angles_and_velocities < high)).all(axis=1)
        )


class Ant(MujocoTask):
    """Gymnasium's Ant-v5. It reads the torso's position and the contact forces that the last step computed."""

    derived = ("xpos", "cfrc_ext")
    hidden = 2

    def observations(self, states: Array) -> Array:
        parts = [self._positions(states), self._velocities(states)]
        if self.env._include_cfrc_ext_in_observation:
            parts.append(self._contact_forces(states)[:, 6:])  # without the world's
        return np.concatenate(parts, axis=1)

    def _contact_forces(self, states: Array) -> Array:
        return np.asarray(np.clip(states[:, self.layout.derived["cfrc_ext"]], *self.env._contact_force_range))

    def velocities(self, states: Array, next_states: Array) -> Array:
        """Velocities of the torso in the plane (N, 2)."""
        torso = self.env.model.body(self.env._main_body).id
        begin = self.layout.derived["xpos"].start + 3 * torso
        plane = slice(begin, begin + 2)
        return np.asarray((next_states[:, plane] - states[:, plane]) / self.dt)

    def costs(self, actions: Array, next_states: Array) -> Array:
        contact = self.env._contact_cost_weight * np.sum(np.square(self._contact_forces(next_states)), axis=1)
        return np.asarray(super().costs(actions, next_states) + contact)

    def healthy(self, states: Array) -> Array:
        low, high = self.env._healthy_z_range
        z = states[:, self.layout.qpos.start + 2]
        moving = np.concatenate([states[:, self.layout.qpos], states[:, self.layout.qvel]], axis=1)
        return np.asarray(np.isfinite(moving).all(axis=1) & (low <= z) & (z <= high))


class Reacher(MujocoTask):
    """Gymnasium's Reacher-v5: a fingertip, moved by two joints, and a target, which lies still at the last two positions.

    Observation and reward read the bodies' positions that MuJoCo's integrator computed last, which lag behind the joints.
    """

    derived = ("xpos",)

    def observations(self, states: Array) -> Array:
        qpos, qvel = states[:, self.layout.qpos], states[:, self.layout.qvel]
        angles = np.ascontiguousarray(qpos[:, :2])
        parts = [np.cos(angles), np.sin(angles), qpos[:, 2:], qvel[:, :2], self._to_fingertip(states)[:, :2]]
        return np.concatenate(parts, axis=1)

    def _to_fingertip(self, states: Array) -> Array:
        """The vectors (N, 3) from the target to the fingertip."""
        positions = states[:, self.layout.derived["xpos"]].reshape(len(states), -1, 3)
        fingertip, target = (self.env.model.body(name).id for name in ("fingertip", "target"))
        return np.asarray(positions[:, fingertip] - positions[:, target])

    def states(self, observations: Array) -> tuple[Array, Array]:
        angles = np.arctan2(observations[:, 2:4], observations[:, :2])
        low, high = self.env.model.joint("joint1").range
        beyond = (angles[:, 1] < low) | (angles[:, 1] > high)
        if beyond.any():
            raise EnvError(
                f"observations do not determine the simulator state: joint1 is beyond its range in {beyond.sum()} of "
                f"{len(beyond)} rows, and cosine and sine do not say at which end; infos qpos and qvel, or state, are needed"
            )
        qvel = np.concatenate([observations[:, 6:8], np.zeros((len(observations), 2))], axis=1)
        return np.concatenate([angles, observations[:, 4:6]], axis=1), qvel

    def rewards(self, states: Array, actions: Array, next_states: Array) -> Array:
        offsets = self._to_fingertip(next_states)
        squares = np.matmul(offsets[:, None], offsets[:, :, None])[:, 0, 0]  # the dot product that np.linalg.norm takes
        return np.asarray(-np.sqrt(squares) * self.env._reward_dist_weight - self.costs(actions, next_states))

    def costs(self, actions: Array, next_states: Array) -> Array:
        return np.asarray(self.env._reward_control_weight * np.sum(np.square(actions), axis=1))

    def terminations(self, next_states: Array) -> Array:
        return np.zeros(len(next_states), dtype=bool)


TASKS: dict[type, type[MujocoTask]] = {
    HalfCheetahEnv: HalfCheetah,
    HopperEnv: Hopper,
    Walker2dEnv: Walker2d,
    AntEnv: Ant,
    ReacherEnv: Reacher,
}
