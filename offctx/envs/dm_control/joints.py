"""The random joint positions that episodes of the suite start with."""

import mujoco
import numpy as np

_HINGE = int(mujoco.mjtJoint.mjJNT_HINGE)


def draw_joints(draws: np.random.RandomState, model: mujoco.MjModel, data: mujoco.MjData) -> None:
    """Sets joints to uniform positions: within their range where they have one; of other hinges, any angle [rad].

    Other sliding joints stay where they are.

    Args:
        draws: source of randomness.
        model: of hinges and sliding joints.
        data: its positions are changed.
    """
    for joint in range(model.njnt):
        if model.jnt_limited[joint]:
            data.qpos[model.jnt_qposadr[joint]] = draws.uniform(*model.jnt_range[joint])
        elif model.jnt_type[joint] == _HINGE:
            data.qpos[model.jnt_qposadr[joint]] = draws.uniform(-np.pi, np.pi)
