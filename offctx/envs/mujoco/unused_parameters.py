"""Refuses a physical parameter that changes nothing in an environment, such as the friction of a body that touches nothing."""

from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces

from offctx.envs.base import Array
from offctx.errors import EnvError

if TYPE_CHECKING:
    from offctx.envs.mujoco.physics import MujocoPhysics

_STEPS = 64  # of the short episode
_UNUSED: dict[tuple[Any, ...], list[str]] = {}  # unused parameters of each environment: computed once a process


def refuse_unused(env: "MujocoPhysics", scales: Array, key: tuple[Any, ...]) -> None:
    """EnvError where a parameter changes no transition of a short episode.

    Args:
        env: the environment.
        scales: the unit of small changes of each parameter (p,).
        key: identifies the environment; begins with its Gymnasium id.
    """
    if key not in _UNUSED:
        _UNUSED[key] = _unused(env, scales)
    if _UNUSED[key]:
        raise EnvError(
            f"{key[0]}: {', '.join(_UNUSED[key])} would change nothing in this environment, over an episode's first steps "
            f"under random actions; leave it out"
        )


def _unused(env: "MujocoPhysics", scales: Array) -> list[str]:
    """The parameters that change no transition of a short episode under random actions."""
    rng = np.random.default_rng(0)
    space, box = env.context_space, env.action_space
    assert isinstance(box, spaces.Box)
    states = [env.initial_state(rng, space.default)]
    actions = rng.uniform(box.low, box.high, (_STEPS, *box.shape)).astype(box.dtype)
    for action in actions[:-1]:
        states.append(env.simulate(states[-1][None], action[None], space.default[None])[0][0])
    changed = space.default + np.where(space.continuous, 0.25 * scales, 1)
    variants = np.where(np.eye(space.size, dtype=bool), changed, space.default)
    contexts = np.repeat(np.concatenate([space.default[None], variants]), _STEPS, axis=0)
    repeats = space.size + 1
    next_states, _, _ = env.simulate(np.tile(np.stack(states), (repeats, 1)), np.tile(actions, (repeats, 1)), contexts)
    physics = next_states[:, env.simulator.layout.physics].reshape(repeats, _STEPS, -1)
    return [name for name, variant in zip(space.names, physics[1:], strict=True) if np.array_equal(variant, physics[0])]
