"""The contextual environment: a Gymnasium environment whose dynamics are one batched pure function.

Dimensions: N rows, s state, o observation, a action, p context, z noise coordinates.
"""

from abc import abstractmethod
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike, NDArray

from offctx.contexts.space import Contexts, ContextSpace
from offctx.envs import finite_differences
from offctx.envs.actions import admit_actions
from offctx.envs.family_facts import FamilyFacts
from offctx.envs.required_spaces import require_spaces
from offctx.errors import DerivativeError, EnvError

Array = NDArray[Any]

_OPTIONS = {"context", "extrapolate", "minari_autoseed"}  # Minari's DataCollector passes the last one
_STEP = 1e-4  # of central differences along a direction, relative to its length


class ContextualEnv(FamilyFacts):
    """A family of environments that differ by a context. `reset(options={"context": c})` selects the member.

    A subclass sets `context_space`, `observation_space` and `action_space` (Box of floats, or Discrete) and implements
    `initial_state`, `simulate` and `observations`. A subclass that can differentiate also sets `has_derivatives` and
    implements `derivatives`. Step, reset, collection and evaluation then work without further code;
    `offctx.envs.testing.check_contextual_env` tests that they do.

    Attributes:
        context_space: the valid contexts.

    `FamilyFacts` has the other attributes, such as `noise_size` and `has_derivatives`, and the methods that few families need.
    """

    context_space: ContextSpace

    _context: Contexts | None = None
    _state: Array | None = None
    _time = 0  # steps of the episode

    @abstractmethod
    def initial_state(self, rng: np.random.Generator, context: Any) -> Any:
        """The start state of one episode.

        Args:
            rng: source of all randomness.
            context: (p,).

        Returns:
            (s,).
        """

    @abstractmethod
    def simulate(
        self, states: Array, actions: Array, contexts: Array, noise: Array | None = None
    ) -> tuple[Array, Array, Array]:
        """One step of N rows at once, a pure function of its arguments; row i does not depend on the other rows.

        Args:
            states: (N, s).
            actions: (N, a), or integers (N,) where actions are Discrete.
            contexts: (N, p).
            noise: (N, z) standard normal, for stochastic families.

        Returns:
            next states (N, s), rewards (N,), terminations (N,).
        """

    @abstractmethod
    def observations(self, states: Array) -> Array:
        """What the agent observes.

        Args:
            states: (N, s).

        Returns:
            (N, o), in the dtype of the observation space.
        """

    def derivatives(self, states: Array, actions: Array, contexts: Array, noise: Array | None = None) -> tuple[Array, Array]:
        """Total derivatives along the context, noise held fixed. The derivative of the reward includes the next state's.

        Args:
            states: (N, s).
            actions: (N, a), or integers (N,) where Discrete.
            contexts: (N, p).
            noise: (N, z).

        Returns:
            of next observations (N, o, p) and of rewards (N, p); zero along discrete coordinates.

        Raises:
            EnvError: the family has no derivatives.
            DerivativeError: a derivative is not finite.
        """
        raise EnvError(f"{self.without_derivatives}; collect with gradients=False")

    def derivatives_with_error(
        self, states: Array, actions: Array, contexts: Array, noise: Array | None = None
    ) -> tuple[Array, Array, Array | None]:
        """`derivatives`, and an estimate of their error.

        Args:
            states: (N, s).
            actions: (N, a), or integers (N,) where Discrete.
            contexts: (N, p).
            noise: (N, z).

        Returns:
            of next observations (N, o, p), of rewards (N, p), and relative errors (N,), or None where exact up to rounding.
        """
        return *self.derivatives(states, actions, contexts, noise), None

    def expand(
        self,
        states: Array,
        actions: Array,
        contexts: Array,
        dstates: Array | None,
        dactions: Array | None,
        dcontexts: Array | None,
        noise: Array | None = None,
    ) -> tuple[Array, Array]:
        """Directional derivatives along (dstates, dactions, dcontexts), noise held fixed.

        The derivative of the reward includes the next state's. Computed by central differences with a step of 1e-4 of the
        direction (of 5e-3 where observations are float32), so a direction should be as long as the change that it stands
        for. Where a step backwards would leave the bounds of the action space, by one-sided differences of the same order.

        Args:
            states: (N, s).
            actions: (N, a), or integers (N,) where Discrete.
            contexts: (N, p).
            dstates: (N, s), or None to keep the states.
            dactions: (N, a), or None to keep the actions; Discrete actions have no derivative.
            dcontexts: (N, p), or None to keep the contexts.
            noise: (N, z).

        Returns:
            of next observations (N, o) and of rewards (N,).

        Raises:
            DerivativeError: a derivative is not finite, or dactions are given for Discrete actions.
        """
        self._check_directions(dactions)

        def outcomes(states: Array, actions: Array, contexts: Array, noise: Array | None) -> Array:
            next_states, rewards, _ = self.simulate(states, actions, contexts, noise)
            return np.concatenate([self.observations(next_states), rewards[:, None]], axis=1, dtype=np.float64)

        pairs = ((states, dstates), (actions, dactions), (contexts, dcontexts))
        h = max(_STEP, float(np.finfo(self.observation_space.dtype).eps) ** (1 / 3))
        derivatives = finite_differences.along_directions(outcomes, pairs, noise, h, self.action_space)
        return self._finite(derivatives[:, :-1], derivatives[:, -1], contexts)

    def _check_directions(self, dactions: Array | None) -> None:
        if dactions is not None and isinstance(self.action_space, spaces.Discrete):
            raise DerivativeError(f"{type(self).__name__}: there is no derivative along Discrete actions; give None for theirs")

    def _finite(self, dnext: Array, dreward: Array, contexts: Array) -> tuple[Array, Array]:
        """The derivatives (N, o) and (N,) as they are, or DerivativeError where one is not finite."""
        invalid = np.flatnonzero(~(np.isfinite(dnext).all(axis=1) & np.isfinite(dreward)))
        if len(invalid):
            row, where = invalid[0], self.context_space.describe(contexts[invalid[0]])
            raise DerivativeError(f"{type(self).__name__}: the derivative is not finite in row {row}, in context {where}")
        return dnext, dreward

    @property
    def context(self) -> Contexts:
        """The current context (p,): that of the last reset, or the default context before the first reset."""
        return (self.context_space.default if self._context is None else self._context).copy()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """Starts an episode.

        Args:
            seed: seeds the environment's generator; the same seed and context replay the same episode.
            options: "context", an array (p,) or a mapping from names to values (other coordinates take their default), or
                the default context where not given; "extrapolate", True to leave the context space's bounds on purpose.

        Returns:
            observation (o,), and an info with "context" (p,), "state" (s,) and, where stochastic, "noise" (z,).

        Raises:
            ContextError: the context has the wrong size, an unknown name, NaN, or is not valid.
            EnvError: unknown option, a missing space, or `initial_state` gave no finite state.
        """
        require_spaces(self)
        options = options or {}
        unknown = sorted(set(options) - _OPTIONS)
        if unknown:
            raise EnvError(f"unknown reset option {unknown[0]!r}; known are 'context' and 'extrapolate'")
        requested = options.get("context", self.context_space.default)
        context = self.context_space.check(requested, extrapolate=bool(options.get("extrapolate", False)))
        super().reset(seed=seed)
        self._context, self._time = context, 0
        self._state = self.start(self.np_random, context)
        return self.observations(self._state[None])[0], self._info(np.zeros(self.noise_size))

    def step(self, action: Any) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """One step, by `simulate` with one row.

        Args:
            action: (a,), clipped to the bounds of a Box; or an integer where Discrete.

        Returns:
            observation (o,), reward, terminated, truncated (always False: a time limit is a wrapper), info as of `reset`.

        Raises:
            PolicyError: the action is NaN, has the wrong shape or does not exist.
        """
        if self._state is None or self._context is None:
            raise gymnasium.error.ResetNeeded("call reset before step")
        noise = self.noise_of_steps(self.np_random, 1, self._time)
        actions = self.admit_actions(np.asarray(action)[None], 1)
        states, rewards, terminations = self.simulate(self._state[None], actions, self._context[None], noise)
        self._state, self._time = states[0], self._time + 1
        return self.observations(states)[0], float(rewards[0]), bool(terminations[0]), False, self._info(noise[0])

    def start(self, rng: np.random.Generator, context: Contexts) -> Array:
        """`initial_state` in a context (p,), checked: a finite state (s,)."""
        return self.check_state(self.initial_state(rng, context))

    def check_state(self, state: Any) -> Array:
        """A start state as float64 (s,). Raises EnvError where it is not one vector of finite numbers."""
        vector = np.asarray(state, dtype=np.float64)
        if vector.ndim != 1 or not np.isfinite(vector).all():
            raise EnvError(f"{type(self).__name__}.initial_state must give finite numbers, one state (s,); found {vector!r}")
        return vector

    def draw_noise(self, rng: np.random.Generator, n: int) -> Array:
        """The noise (n, z) of n successive steps of one episode."""
        return rng.standard_normal((n, self.noise_size))

    def noise_of_steps(self, rng: np.random.Generator, n: int, first: int = 0) -> Array:
        """The noise (n, z) of the steps `first`, `first` + 1, ... of one episode, once that of the steps before was drawn.

        It is `draw_noise`, but for environments around others, which tell the noise of the family inside from theirs.
        """
        return self.draw_noise(rng, n)

    def admit_actions(self, actions: ArrayLike, n: int) -> Array:
        """Actions for n rows in the dtype of the action space.

        Args:
            actions: (n, a); or (n,) or (n, 1) where Discrete.
            n: how many rows.

        Returns:
            Box: (n, a), clipped to the bounds. Discrete: int64 (n,).

        Raises:
            PolicyError: wrong shape, NaN, or a Discrete action that does not exist.
        """
        return admit_actions(self.action_space, actions, n)

    def _info(self, noise: Array) -> dict[str, Any]:
        assert self._state is not None
        info = {"context": self.context, "state": self._state.copy()}
        return {**info, "noise": noise.copy()} if self.noise_size else info
