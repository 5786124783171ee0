"""Closed-form environments in torch: write the equations once, get batches and context derivatives.

Dimensions: N rows, s state, o observation, a action, p context, z noise coordinates.
"""

import inspect
from abc import abstractmethod
from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from offctx.contexts.space import Contexts, ContextSpace
from offctx.envs.base import Array, ContextualEnv
from offctx.errors import DerivativeError, EnvError

# Torch computes whole vector registers and the rest of an array by different code, which may differ in the last bit.
# Rows are therefore always computed in multiples of _LANES, and in blocks too small for torch to split over threads
# (it does from _GRAIN numbers on): so a row's result does not depend on how many others it is computed with.
_LANES = 64
_GRAIN = 32768


class DifferentiableEnv(ContextualEnv):
    """A contextual environment whose equations are torch functions, batched over leading dimensions.

    A subclass sets `context_space`, `observation_space`, `action_space` (as class attributes, or by `__init__`) and
    defines `transition`, `reward` and `initial_state`, and, where they are not trivial, `observe` and `terminated`.
    Tensors come in as float64 (`dtype`), Discrete actions as int64. Stochastic dynamics set `noise_size` and take
    one more argument, `noise` (..., z) of standard normal numbers, in `transition`, `reward` or both: derivatives hold it
    fixed. Constants need the same dtype: ``torch.tensor(..., dtype=self.dtype)``.

    Example::

        class Drift(DifferentiableEnv):
            context_space = ContextSpace(["wind"], -1.0, 1.0, 0.0, ["m/s"])
            observation_space = Box(-np.inf, np.inf, (1,), np.float32)
            action_space = Box(-1.0, 1.0, (1,), np.float32)

            def initial_state(self, rng, context):
                return torch.as_tensor(rng.uniform(-1, 1, (*context.shape[:-1], 1)))

            def transition(self, state, action, context):
                return state + 0.1 * (action + context)

            def reward(self, state, action, next_state, context):
                return -(next_state**2).sum(-1)
    """

    dtype: torch.dtype = torch.float64
    has_derivatives = True

    def __init__(
        self,
        context_space: ContextSpace | None = None,
        observation_space: spaces.Space[Any] | None = None,
        action_space: spaces.Space[Any] | None = None,
    ) -> None:
        given = {"context_space": context_space, "observation_space": observation_space, "action_space": action_space}
        for name, space in given.items():
            if space is not None:
                setattr(self, name, space)

    # --- the equations -----------------------------------------------------------------------------------------------

    @abstractmethod
    def transition(self, state: Tensor, action: Tensor, context: Tensor) -> Tensor:
        """Next state (..., s) from state (..., s), action (..., a) or (...,) where Discrete, context (..., p)."""

    @abstractmethod
    def reward(self, state: Tensor, action: Tensor, next_state: Tensor, context: Tensor) -> Tensor:
        """Reward (...,) of the transition."""

    @abstractmethod
    def initial_state(self, rng: np.random.Generator, context: Tensor) -> Tensor | Array:
        """Start states (..., s) for contexts (..., p), all randomness from `rng`."""

    def observe(self, state: Tensor) -> Tensor:
        """Observation (..., o) of the state; the state itself unless overridden."""
        return state

    def terminated(self, state: Tensor, context: Tensor) -> Tensor:
        """Whether a state that has been reached ends the episode, booleans (...,); never, unless overridden."""
        return torch.zeros(state.shape[:-1], dtype=torch.bool)

    # --- what follows from them --------------------------------------------------------------------------------------

    def start(self, rng: np.random.Generator, context: Contexts) -> Array:
        state = np.asarray(self.initial_state(rng, self._tensor(context[None])))
        return self.check_state(state[0] if state.ndim == 2 and len(state) == 1 else state)

    def simulate(
        self, states: Array, actions: Array, contexts: Array, noise: Array | None = None
    ) -> tuple[Array, Array, Array]:
        with torch.no_grad():
            next_states, rewards, ends = self._by_rows(self._step_tensors, states, self._actions(actions), contexts, noise)
        return next_states, rewards, ends.astype(bool)

    def observations(self, states: Array) -> Array:
        with torch.no_grad():
            (found,) = self._by_rows(lambda state: (self.observe(state),), states)
        space = self.observation_space
        if found.shape[1:] != space.shape:
            raise EnvError(
                f"{type(self).__name__}.observe gives observations of shape {found.shape[1:]}, but its "
                f"observation_space has {space.shape}"
            )
        return found.astype(space.dtype)

    def states_from_observations(self, observations: Array) -> Array:
        """The observations, where `observe` is the identity; overridden where it can be inverted otherwise."""
        if type(self).observe is not DifferentiableEnv.observe:
            return super().states_from_observations(observations)
        return np.asarray(observations, dtype=np.float64)

    def derivatives(self, states: Array, actions: Array, contexts: Array, noise: Array | None = None) -> tuple[Array, Array]:
        """Total derivatives along the context by automatic differentiation, float64.

        The reward's goes through the next state too: d_c R + d_s' R d_c f (arXiv 2507.07348, first-order CEBE).

        Returns:
            of next observations (N, o, p) and of rewards (N, p).

        Raises:
            DerivativeError: one of them is not finite; the message names the row's context.
        """
        copies = int(np.prod(self.observation_space.shape or ())) + 1
        rows = (states, self._actions(actions), contexts, noise)
        dnext, dreward = self._by_rows(self._derivative_tensors, *rows, copies=copies)
        bad = ~(np.isfinite(dnext).all(axis=(1, 2)) & np.isfinite(dreward).all(axis=1))
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise DerivativeError(
                f"{type(self).__name__}: the context derivative is not finite in row {row}, at state {states[row]}, "
                f"action {actions[row]}, context {self.context_space.describe(contexts[row])}"
            )
        return dnext, dreward

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
        """`ContextualEnv.expand` by forward-mode automatic differentiation: exact, whatever the direction's length."""
        self._check_directions(dactions)
        discrete = isinstance(self.action_space, spaces.Discrete)
        pairs = [(states, dstates), (contexts, dcontexts), (actions, dactions)][: 2 if discrete else 3]
        tangents = [np.zeros(np.shape(x)) if dx is None else dx for x, dx in pairs]
        rows = (states, self._actions(actions), contexts, *tangents)
        dnext, dreward = self._by_rows(self._direction_tensors, *rows, noise)
        return self._finite(dnext, dreward, contexts)

    def _direction_tensors(self, state: Tensor, action: Tensor, context: Tensor, *more: Tensor) -> tuple[Tensor, ...]:
        moving = 2 if isinstance(self.action_space, spaces.Discrete) else 3  # state, context and, where it can, action
        tangents, noise = more[:moving], more[moving:]

        def outcome(s: Tensor, c: Tensor, a: Tensor = action) -> tuple[Tensor, Tensor]:
            next_state, reward = self._transition_and_reward(s, a, c, *noise)
            return self.observe(next_state), reward

        dnext, dreward = cast(Any, torch.func.jvp(outcome, (state, context, action)[:moving], tangents))[1]
        return dnext, dreward

    def _step_tensors(self, state: Tensor, action: Tensor, context: Tensor, *noise: Tensor) -> tuple[Tensor, ...]:
        next_state, reward = self._transition_and_reward(state, action, context, *noise)
        ends = self.terminated(next_state, context)
        n = len(state)
        if next_state.shape != state.shape or reward.shape != (n,) or ends.shape != (n,):
            raise EnvError(
                f"{type(self).__name__}: for {n} rows expected next states {tuple(state.shape)}, rewards ({n},) and "
                f"terminations ({n},); found {tuple(next_state.shape)}, {tuple(reward.shape)}, {tuple(ends.shape)}"
            )
        return next_state.double(), reward.double(), ends

    def _derivative_tensors(self, state: Tensor, action: Tensor, context: Tensor, *noise: Tensor) -> tuple[Tensor, Tensor]:
        n, p = context.shape
        numbers = int(np.prod(self.observation_space.shape or ())) + 1  # next observation and reward
        # Each row once for each of these numbers: one reverse pass then gives all of their gradients. (Forward mode needs
        # fewer rows, but torch runs it through Python, which costs far more.)
        rows = [row.repeat(numbers, *[1] * (row.ndim - 1)) for row in (state, action, context, *noise)]
        moving = rows[2].requires_grad_()
        with torch.enable_grad():
            next_state, reward = self._transition_and_reward(*rows)
            outcome = torch.cat([self.observe(next_state), reward[:, None]], dim=-1)
            chosen = outcome.gather(1, torch.arange(numbers).repeat_interleave(n)[:, None]).sum()
        if not chosen.requires_grad:  # the equations do not look at the context
            return torch.zeros(n, numbers - 1, p, dtype=self.dtype), torch.zeros(n, p, dtype=self.dtype)
        (gradient,) = torch.autograd.grad(chosen, moving)
        found = gradient.reshape(numbers, n, p).permute(1, 0, 2)
        return found[:, :-1], found[:, -1]

    def _transition_and_reward(self, state: Tensor, action: Tensor, context: Tensor, *noise: Tensor) -> Any:
        transition, reward = cast(Any, self.transition), cast(Any, self.reward)  # Any: some take noise, some do not
        next_state = transition(state, action, context, *(noise if _arguments(transition) > 3 else ()))
        return next_state, reward(state, action, next_state, context, *(noise if _arguments(reward) > 4 else ()))

    def _by_rows(
        self, function: Callable[..., tuple[Tensor, ...]], *arrays: Array | Tensor | None, copies: int = 1
    ) -> tuple[Array, ...]:
        """`function` over the rows of the arrays, in padded blocks (see _LANES); arrays that are None are left out.

        `copies` is how many times the function repeats a row inside.
        """
        rows = [row for row in (self._tensor(array) for array in arrays if array is not None) if row.numel()]
        n = len(rows[0])
        widest = max(row[0].numel() for row in rows) * copies
        most = max(_GRAIN // widest // _LANES, 1) * _LANES
        blocks = []
        for begin in range(0, n, most):
            size = min(most, n - begin)
            padding = -size % _LANES
            block = [row[begin : begin + size] for row in rows]
            padded = [torch.cat([row, row[-1:].expand(padding, *row.shape[1:])]) for row in block]
            blocks.append([np.asarray(result.detach())[:size] for result in self._call(function, padded)])
        return tuple(np.concatenate(results) for results in zip(*blocks, strict=True))

    def _call(self, function: Callable[..., tuple[Tensor, ...]], rows: list[Tensor]) -> tuple[Tensor, ...]:
        try:
            return function(*rows)
        except RuntimeError as error:
            name = type(self).__name__
            if "dtype" in str(error):
                raise EnvError(
                    f"{name}: {error}. Its equations get {self.dtype} tensors: make constants with dtype={self.dtype}, or "
                    f"set dtype = torch.float32 in the class"
                ) from error
            if "data pointer" in str(error) or "numpy()" in str(error):
                raise EnvError(
                    f"{name}: its equations must be torch functions throughout to have derivatives: {error}"
                ) from error
            raise

    def _tensor(self, array: Array | Tensor) -> Tensor:
        return array if isinstance(array, Tensor) else torch.tensor(np.asarray(array), dtype=self.dtype)

    def _actions(self, actions: Array) -> Tensor:
        discrete = isinstance(self.action_space, spaces.Discrete)
        return torch.tensor(np.asarray(actions), dtype=torch.int64 if discrete else self.dtype)


@lru_cache(maxsize=256)
def _argument_count(function: Any) -> int:
    parameters = inspect.signature(function).parameters.values()
    many = any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters)
    return 99 if many else len(parameters)


def _arguments(method: Any) -> int:
    """How many positional arguments a bound method takes, self not counted."""
    return _argument_count(method.__func__) - 1 if inspect.ismethod(method) else _argument_count(method)
