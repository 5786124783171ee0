"""Wrappers for tools that step one environment at a time and know nothing of contexts."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike

from offctx.envs.base import Array, ContextualEnv
from offctx.errors import EnvError


def contextual(env: gymnasium.Env[Any, Any]) -> ContextualEnv:
    """The `ContextualEnv` inside `env`, or an error that says that there is none."""
    inner = env.unwrapped
    if not isinstance(inner, ContextualEnv):
        raise EnvError(f"{type(inner).__name__} is not an offctx.envs.ContextualEnv, so it has no contexts to set")
    return inner


class AppendContext(gymnasium.ObservationWrapper[Array, Any, Array]):
    """Observations (o + p,): the environment's, then its context. What a policy trained with context="append" expects."""

    def __init__(self, env: gymnasium.Env[Array, Any]) -> None:
        super().__init__(env)
        self._contextual = contextual(env)
        seen, space = env.observation_space, self._contextual.context_space
        assert isinstance(seen, spaces.Box)
        low, high = np.concatenate([seen.low, space.low]), np.concatenate([seen.high, space.high])
        self.observation_space = spaces.Box(low.astype(np.float32), high.astype(np.float32), dtype=np.float32)

    def observation(self, observation: Array) -> Array:
        return np.concatenate([observation, self._contextual.context]).astype(np.float32)


class CycleContexts(gymnasium.Wrapper[Array, Any, Array, Any]):
    """Each reset plays the next of the given contexts (K, p), round and round; a context in the options goes first."""

    def __init__(self, env: gymnasium.Env[Array, Any], contexts: ArrayLike) -> None:
        super().__init__(env)
        self.contexts = contextual(env).context_space.check_many(contexts)
        self._next = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        if "context" not in (options or {}):
            options = {**(options or {}), "context": self.contexts[self._next]}
            self._next = (self._next + 1) % len(self.contexts)
        return self.env.reset(seed=seed, options=options)
