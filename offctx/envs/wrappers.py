"""Wrappers for tools that step one environment at a time and do not know contexts.

Dimensions: o observation, p context, K contexts.
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
    """The `ContextualEnv` inside the wrappers of `env`. Raises EnvError where there is none."""
    inner = env.unwrapped
    if not isinstance(inner, ContextualEnv):
        raise EnvError(f"{type(inner).__name__} is not an offctx.envs.ContextualEnv, so it has no contexts to set")
    return inner


def appended_space(env: gymnasium.Env[Array, Any]) -> spaces.Box:
    """The observation space (o + p,) of `env` with the context appended."""
    observation_space, context_space = env.observation_space, contextual(env).context_space
    assert isinstance(observation_space, spaces.Box)
    low = np.concatenate([observation_space.low, context_space.low])
    high = np.concatenate([observation_space.high, context_space.high])
    return spaces.Box(low.astype(np.float32), high.astype(np.float32), dtype=np.float32)


class AppendContext(gymnasium.ObservationWrapper[Array, Any, Array]):
    """Observations (o + p,): the environment's, then its context, as a policy trained with context="append" expects them.

    Args:
        env: contextual.

    Raises:
        EnvError: `env` is not contextual.
    """

    def __init__(self, env: gymnasium.Env[Array, Any]) -> None:
        super().__init__(env)
        self._contextual = contextual(env)
        self.observation_space = appended_space(env)

    def observation(self, observation: Array) -> Array:
        """The observation (o + p,) of an observation (o,), in float32."""
        return np.concatenate([observation, self._contextual.context]).astype(np.float32)


class CycleContexts(gymnasium.Wrapper[Array, Any, Array, Any]):
    """Cycles through the given contexts, one per reset.

    A context in the options of a reset takes precedence; the order then does not move on.

    Args:
        env: contextual.
        contexts: (K, p).

    Raises:
        EnvError: `env` is not contextual.
        ContextError: one of the contexts is not valid.
    """

    def __init__(self, env: gymnasium.Env[Array, Any], contexts: ArrayLike) -> None:
        super().__init__(env)
        self.contexts = contextual(env).context_space.check_many(contexts)
        self._next = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """Starts an episode in the next context, or in that of the options."""
        if "context" not in (options or {}):
            options = {**(options or {}), "context": self.contexts[self._next]}
            self._next = (self._next + 1) % len(self.contexts)
        return self.env.reset(seed=seed, options=options)


class RandomContexts(gymnasium.Wrapper[Array, Any, Array, Any]):
    """Each reset draws a context. A context in the options of a reset takes precedence; then none is drawn.

    Local domain randomization (LDR) around the default context, as in arXiv 2507.07348, with `space` the context space::

        RandomContexts(env, lambda rng: space.local(1, 0.5, rng)[0], seed=0)

    Args:
        env: contextual.
        contexts: (K, p), one of which is drawn uniformly; or a function from a generator to a context (p,).
        seed: of the generator that draws contexts; the seed of a reset does not change this generator.

    Raises:
        EnvError: `env` is not contextual.
        ContextError: one of the contexts is not valid; a context of a function is checked at the reset that draws it.
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
        """Starts an episode in a drawn context, or in that of the options."""
        if "context" not in (options or {}):
            options = {**(options or {}), "context": self._draw(self._rng)}
        return self.env.reset(seed=seed, options=options)
