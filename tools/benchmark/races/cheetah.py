"""The HalfCheetah that races in MuJoCo share: ours, and Gymnasium's with our four parameters set by hand."""

import copy
from typing import Any, NamedTuple

import gymnasium
import mujoco
import numpy as np
from numpy.typing import NDArray

from offctx.envs import MujocoPhysics
from offctx.envs.resolve import EnvLike, resolve

CHEETAH, GYM_CHEETAH = "offctx/HalfCheetahPhysics-v0", "HalfCheetah-v5"
Floats = NDArray[np.float64]


class HandMadeCheetah:
    """Gymnasium's HalfCheetah with our four physical parameters, as one would set them without offctx."""

    def __init__(self, env: gymnasium.Env[Any, Any] | None = None) -> None:
        self.env: Any = env or gymnasium.make(GYM_CHEETAH)
        simulation: Any = self.env.unwrapped
        self.model, self.data = simulation.model, simulation.data
        self.nominal = copy.copy(self.model)

    def set_context(self, context: Floats) -> None:
        """Write gravity, mass, friction and gear into the model. Afterwards reset the environment or set its state."""
        gravity, mass, friction, gear = context
        self.model.opt.gravity[2] = -gravity
        self.model.body_mass[:] = mass * self.nominal.body_mass
        self.model.body_inertia[:] = mass * self.nominal.body_inertia
        self.model.geom_friction[:] = friction * self.nominal.geom_friction
        self.model.actuator_gear[:] = gear * self.nominal.actuator_gear
        mujoco.mj_setConst(self.model, self.data)  # constants that follow from masses


class Rows(NamedTuple):
    """Arguments of our environment's `simulate` and `derivatives_with_error`, N transitions."""

    states: Floats  # (N, s)
    actions: NDArray[np.float32]  # (N, 6)
    contexts: Floats  # (N, 4)


def physical_cheetah(made: EnvLike = CHEETAH) -> MujocoPhysics:
    """Our environment without wrappers."""
    env = resolve(made).env
    assert isinstance(env, MujocoPhysics)
    return env


def cheetah_transitions(n: int) -> tuple[MujocoPhysics, Rows]:
    """Our environment, and n of its transitions under random actions at its default context."""
    env = physical_cheetah()
    rng, context = np.random.default_rng(0), env.context_space.default
    episodes = max(n // 128, 1)
    contexts = np.tile(context, (episodes, 1))
    current = np.stack([env.start(rng, context) for _ in range(episodes)])
    states, actions = [], []
    for _ in range(n // episodes):
        states.append(current)
        actions.append(rng.uniform(-1, 1, (episodes, 6)).astype(np.float32))
        current = env.simulate(current, actions[-1], contexts)[0]
    n = len(states) * episodes
    return env, Rows(np.concatenate(states), np.concatenate(actions), np.tile(context, (n, 1)))
