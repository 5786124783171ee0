"""The contextual environment: a Gymnasium environment whose dynamics are one batched pure function.

Dimensions: N rows, s state, o observation, a action, p context, z noise coordinates.
"""

from abc import abstractmethod
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike, NDArray

from offctx.contexts.space import Contexts, ContextSpace
from offctx.errors import DerivativeError, EnvError, PolicyError

Array = NDArray[Any]

_OPTIONS = {"context", "extrapolate", "minari_autoseed"}  # the last is Minari's DataCollector's own
_STEP = 1e-4  # of central differences along a direction, relative to its length


class ContextualEnv(gymnasium.Env[Array, Any]):
    """A family of environments: `reset(options={"context": c})` picks the member, `simulate` is what all else is made of.

    A subclass sets `context_space`, `observation_space` and `action_space` (Box of float, or Discrete) and implements
    `initial_state`, `simulate` and `observations`; one that can differentiate sets `has_derivatives` and implements
    `derivatives`. Step, reset, collection and evaluation then work without further code.
    """

    context_space: ContextSpace
    noise_size: int = 0  # z: standard normal numbers that a step consumes; 0 for deterministic dynamics
    has_derivatives: bool = False
    derivative_source: str = "autodiff"  # how `derivatives` are found, for the metadata of datasets
    derivative_steps: Array | None = None  # of finite differences (p,), in the coordinates' units
    derivative_tolerance: float | None = None  # a row with a larger estimated relative error is flagged
    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}  # type: ignore[misc]  # Gymnasium declares it per instance

    _context: Contexts | None = None
    _state: Array | None = None

    # --- what a family defines ---------------------------------------------------------------------------------------

    @abstractmethod
    def initial_state(self, rng: np.random.Generator, context: Any) -> Any:
        """A start state (s,) of one episode in `context`, all randomness from `rng`."""

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
        """What the agent sees of the states (N, s): (N, o) in the dtype of the observation space."""

    def derivatives(self, states: Array, actions: Array, contexts: Array, noise: Array | None = None) -> tuple[Array, Array]:
        """Total derivatives along the context: of next observations (N, o, p) and of rewards (N, p), noise held fixed.

        Along a discrete coordinate there is none: its column is zero.
        """
        raise EnvError(f"{type(self).__name__} has no context derivatives; collect with gradients=False")

    def derivatives_with_error(
        self, states: Array, actions: Array, contexts: Array, noise: Array | None = None
    ) -> tuple[Array, Array, Array | None]:
        """`derivatives`, and how far off each row may be: relative errors (N,), or None where exact up to rounding."""
        return *self.derivatives(states, actions, contexts, noise), None

    def states_from_observations(self, observations: Array) -> Array:
        """States (N, s) that look like `observations` (N, o), up to what neither next observation nor reward depends on.

        Raises:
            EnvError: observations do not determine the state.
        """
        raise EnvError(f"{type(self).__name__} does not say how observations determine its state: infos/state is needed")

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
        """Directional derivatives along (ds, da, dc), noise held fixed: of next observations (N, o) and of rewards (N,).

        The reward's is total, through the next state too. Here by central differences with a step of 1e-4 of the
        direction (of 5e-3 where observations are float32), so the direction should be as long as what it stands for. At a
        bound of the action space, beyond which a simulator may clip, by one-sided differences of the same order.

        Args:
            states: (N, s).
            actions: (N, a), or integers (N,) where Discrete.
            contexts: (N, p).
            dstates: (N, s), or None to leave them as they are.
            dactions: (N, a), or None; along a Discrete action there is no derivative.
            dcontexts: (N, p), or None.
            noise: (N, z).

        Raises:
            DerivativeError: a derivative is not finite.
        """
        self._check_directions(dactions)
        h = max(_STEP, float(np.finfo(self.observation_space.dtype).eps) ** (1 / 3))

        def outcome(k: float, rows: Any) -> Array:
            """Next observation and reward side by side (n, o + 1) of rows moved by k steps."""
            pairs = ((states, dstates), (actions, dactions), (contexts, dcontexts))
            s, a, c = (x[rows] if dx is None else x[rows] + k * h * dx[rows] for x, dx in pairs)
            next_states, rewards, _ = self.simulate(s, a, c, None if noise is None else noise[rows])
            return np.concatenate([self.observations(next_states), rewards[:, None]], axis=1, dtype=np.float64)

        found = (outcome(1, slice(None)) - outcome(-1, slice(None))) / (2 * h)
        if dactions is not None:
            assert isinstance(self.action_space, spaces.Box)
            behind = actions - h * dactions
            edge = np.flatnonzero(((behind < self.action_space.low) | (behind > self.action_space.high)).any(axis=1))
            if len(edge):
                found[edge] = (4 * outcome(1, edge) - 3 * outcome(0, edge) - outcome(2, edge)) / (2 * h)
        return self._finite(found[:, :-1], found[:, -1], contexts)

    def _check_directions(self, dactions: Array | None) -> None:
        if dactions is not None and isinstance(self.action_space, spaces.Discrete):
            raise DerivativeError(f"{type(self).__name__}: there is no derivative along Discrete actions; give None for theirs")

    def _finite(self, dnext: Array, dreward: Array, contexts: Array) -> tuple[Array, Array]:
        bad = np.flatnonzero(~(np.isfinite(dnext).all(axis=1) & np.isfinite(dreward)))
        if len(bad):
            where = self.context_space.describe(contexts[bad[0]])
            raise DerivativeError(f"{type(self).__name__}: the derivative is not finite in row {bad[0]}, in context {where}")
        return dnext, dreward

    # --- what every family gets --------------------------------------------------------------------------------------

    @property
    def context(self) -> Contexts:
        """The context in force (p,): the one of the last reset, or the default before any."""
        return (self.context_space.default if self._context is None else self._context).copy()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """Start an episode.

        Args:
            seed: seeds the environment's generator; the same seed and context replay the same episode.
            options: "context", an array (p,) or a mapping from names (the rest at the default; the default context
                where not given); "extrapolate", True to leave the context space's bounds on purpose.

        Raises:
            ContextError: the context has the wrong size, an unknown name, NaN, or is not valid.
        """
        options = options or {}
        unknown = sorted(set(options) - _OPTIONS)
        if unknown:
            raise EnvError(f"unknown reset option {unknown[0]!r}; known are 'context' and 'extrapolate'")
        asked = options.get("context", self.context_space.default)
        context = self.context_space.check(asked, extrapolate=bool(options.get("extrapolate", False)))
        super().reset(seed=seed)
        self._context = context
        self._state = self.start(self.np_random, context)
        return self.observations(self._state[None])[0], self._info(np.zeros(self.noise_size))

    def step(self, action: Any) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """One step, by `simulate` with one row. Actions outside a Box are clipped to it; NaN or a wrong shape is refused."""
        if self._state is None or self._context is None:
            raise gymnasium.error.ResetNeeded("call reset before step")
        noise = self.draw_noise(self.np_random, 1)
        actions = self.admit_actions(np.asarray(action)[None], 1)
        states, rewards, terminations = self.simulate(self._state[None], actions, self._context[None], noise)
        self._state = states[0]
        return self.observations(states)[0], float(rewards[0]), bool(terminations[0]), False, self._info(noise[0])

    def start(self, rng: np.random.Generator, context: Contexts) -> Array:
        """`initial_state`, checked: a finite state (s,)."""
        return self.check_state(self.initial_state(rng, context))

    def check_state(self, state: Any) -> Array:
        """A start state as float64 (s,), or an error that says what `initial_state` gave instead."""
        found = np.asarray(state, dtype=np.float64)
        if found.ndim != 1 or not np.isfinite(found).all():
            raise EnvError(f"{type(self).__name__}.initial_state must give finite numbers, one state (s,); found {found!r}")
        return found

    def draw_noise(self, rng: np.random.Generator, n: int) -> Array:
        """The noise (n, z) of n successive steps of one episode."""
        return rng.standard_normal((n, self.noise_size))

    def admit_actions(self, actions: ArrayLike, n: int) -> Array:
        """`actions` for n rows in the dtype of the action space: Box (n, a), clipped to its bounds; Discrete (n,).

        Raises:
            PolicyError: wrong shape, NaN, or a Discrete action that does not exist.
        """
        space = self.action_space
        found = _as_numbers(actions)
        if isinstance(space, spaces.Discrete):
            if found.shape == (n, 1):
                found = found[:, 0]
            if found.shape != (n,):
                raise PolicyError(f"expected {n} Discrete actions of shape ({n},); found shape {found.shape}")
            last = space.start + space.n - 1
            with np.errstate(invalid="ignore"):
                good = (found >= space.start) & (found <= last) & (found == np.floor(found))
            if not good.all():
                raise PolicyError(f"expected integer actions {space.start}..{last}; found {found[~good][0]}")
            return found.astype(np.int64)
        assert isinstance(space, spaces.Box)
        if found.shape != (n, *space.shape):
            raise PolicyError(f"expected actions of shape {(n, *space.shape)}; found {found.shape}")
        finite = np.isfinite(found)
        if not finite.all():
            raise PolicyError(f"actions must be finite; found {found[~finite][0]} in row {np.argwhere(~finite)[0][0]}")
        return np.asarray(np.clip(found.astype(space.dtype), space.low, space.high))

    def _info(self, noise: Array) -> dict[str, Any]:
        assert self._state is not None
        info = {"context": self.context, "state": self._state.copy()}
        return {**info, "noise": noise.copy()} if self.noise_size else info


def _as_numbers(actions: Any) -> Array:
    """Whatever a policy gave, as numbers: an array, nested lists, or a tensor that may still carry gradients."""
    if hasattr(actions, "detach"):
        actions = actions.detach().cpu()
    try:
        found = np.asarray(actions)
    except ValueError as error:
        raise PolicyError(f"expected actions as one array of numbers: {error}") from error
    if found.dtype.kind not in "fiub":
        raise PolicyError(f"expected actions as numbers; found {found.dtype} such as {found.flat[0]!r}")
    return found
