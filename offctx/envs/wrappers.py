"""Wrappers for tools that step one environment at a time and know nothing of contexts.

Dimensions: o observation, D what the agent sees (o, or o + p with the context appended), a action, p context, s state,
z noise coordinates.
"""

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike

from offctx.checks import whole_number
from offctx.envs.base import Array, ContextualEnv
from offctx.errors import EnvError


def contextual(env: gymnasium.Env[Any, Any]) -> ContextualEnv:
    """The `ContextualEnv` inside `env`, or an error that says that there is none."""
    inner = env.unwrapped
    if not isinstance(inner, ContextualEnv):
        raise EnvError(f"{type(inner).__name__} is not an offctx.envs.ContextualEnv, so it has no contexts to set")
    return inner


def appended_space(env: gymnasium.Env[Array, Any]) -> spaces.Box:
    """The observation space (o + p,) of `env` with the context appended."""
    seen, space = env.observation_space, contextual(env).context_space
    assert isinstance(seen, spaces.Box)
    low, high = np.concatenate([seen.low, space.low]), np.concatenate([seen.high, space.high])
    return spaces.Box(low.astype(np.float32), high.astype(np.float32), dtype=np.float32)


class AppendContext(gymnasium.ObservationWrapper[Array, Any, Array]):
    """Observations (o + p,): the environment's, then its context. What a policy trained with context="append" expects."""

    def __init__(self, env: gymnasium.Env[Array, Any]) -> None:
        super().__init__(env)
        self._contextual = contextual(env)
        self.observation_space = appended_space(env)

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


class RandomContexts(gymnasium.Wrapper[Array, Any, Array, Any]):
    """Each reset draws a context; a context in the options goes first, and then none is drawn.

    Local domain randomization (LDR) around the default context, as in arXiv 2507.07348, with `space` the context space::

        RandomContexts(env, lambda rng: space.local(1, 0.5, rng)[0], seed=0)

    Args:
        env: contextual.
        contexts: (K, p), one of which is drawn uniformly; or a function from a generator to a context (p,).
        seed: of the drawing, which goes on from reset to reset, whatever seed a reset is given for the rest.

    Raises:
        ContextError: one of the contexts is not valid; of a function's, at the reset that draws it.
    """

    def __init__(
        self,
        env: gymnasium.Env[Array, Any],
        contexts: ArrayLike | Callable[[np.random.Generator], ArrayLike],
        *,
        seed: int,
    ) -> None:
        super().__init__(env)
        space = contextual(env).context_space
        if callable(contexts):
            self._draw = contexts
        else:
            rows = space.check_many(contexts)
            self._draw = lambda rng: rows[rng.integers(len(rows))]
        self._rng = np.random.default_rng(whole_number(seed, "seed", 0, EnvError))

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        if "context" not in (options or {}):
            options = {**(options or {}), "context": self._draw(self._rng)}
        return self.env.reset(seed=seed, options=options)
