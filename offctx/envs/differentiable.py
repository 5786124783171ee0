"""Closed-form environments in torch: the equations are written once; batches and context derivatives follow from them.

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
from offctx.envs.autodiff import context_derivatives, directional_derivatives
from offctx.envs.base import Array, ContextualEnv
from offctx.envs.equations import ERRORS, check_result, check_start, check_unchanged, raise_explained, refuse_changes_in_place
from offctx.envs.row_blocks import by_rows
from offctx.errors import DerivativeError


class DifferentiableEnv(ContextualEnv):
    """A contextual environment whose equations are torch functions, batched over leading dimensions.

    A subclass sets `context_space`, `observation_space`, `action_space` (as class attributes, or by `__init__`) and
    defines `transition`, `reward` and `initial_state`, and, where they are not trivial, `observe` and `terminated`.
    Their tensors are float64 (`dtype`), Discrete actions int64. Stochastic dynamics set `noise_size`, and `transition`,
    `reward` or both take one more argument, `noise` (..., z) of standard normal numbers, which derivatives hold fixed.
    Constants need the same dtype: ``torch.tensor(..., dtype=self.dtype)``.

    Args:
        context_space: instead of the class attribute.
        observation_space: instead of the class attribute.
        action_space: instead of the class attribute.

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
        expected_spaces = {"context_space": context_space, "observation_space": observation_space, "action_space": action_space}
        for name, space in expected_spaces.items():
            if space is not None:
                setattr(self, name, space)

    @abstractmethod
    def transition(self, state: Tensor, action: Tensor, context: Tensor) -> Tensor:
        """The next state.

        Args:
            state: (..., s).
            action: (..., a), or (...,) where Discrete.
            context: (..., p).

        Returns:
            (..., s).
        """

    @abstractmethod
    def reward(self, state: Tensor, action: Tensor, next_state: Tensor, context: Tensor) -> Tensor:
        """The reward of a transition.

        Args:
            state: (..., s).
            action: (..., a), or (...,) where Discrete.
            next_state: (..., s).
            context: (..., p).

        Returns:
            (...,).
        """

    @abstractmethod
    def initial_state(self, rng: np.random.Generator, context: Tensor) -> Tensor | Array:
        """Start states.

        Args:
            rng: source of all randomness.
            context: (..., p).

        Returns:
            (..., s).
        """

    def observe(self, state: Tensor) -> Tensor:
        """The observation (..., o) of a state (..., s); the state itself unless overridden."""
        return state

    def terminated(self, state: Tensor, context: Tensor) -> Tensor:
        """Whether a next state (..., s) in a context (..., p) ends the episode, booleans (...,); never unless overridden."""
        return torch.zeros(state.shape[:-1], dtype=torch.bool)

    def start(self, rng: np.random.Generator, context: Contexts) -> Array:
        """`initial_state` in a context (p,), checked: a finite state (s,)."""
        try:
            start: Any = self.initial_state(rng, self._tensor(context[None]))
            check_start(self, start)
            state = np.asarray(start)
        except ERRORS as error:
            raise_explained(self, "initial_state", error)
        return self.check_state(state[0] if state.ndim == 2 and len(state) == 1 else state)

    def simulate(
        self, states: Array, actions: Array, contexts: Array, noise: Array | None = None
    ) -> tuple[Array, Array, Array]:
        """One step of N rows by `transition`, `reward` and `terminated`."""
        with torch.no_grad():
            next_states, rewards, ends = self._by_rows(self._step_tensors, states, self._actions(actions), contexts, noise)
        return next_states, rewards, ends.astype(bool)

    def rewards_of(
        self, states: Array, actions: Array, next_states: Array, contexts: Array, noise: Array | None = None
    ) -> Array:
        """The rewards (N,) of given transitions in given contexts, by `reward`."""
        with torch.no_grad():
            (rewards,) = self._by_rows(self._reward_tensors, states, self._actions(actions), next_states, contexts, noise)
        return rewards

    def observations(self, states: Array) -> Array:
        """Observations (N, o) of states (N, s) by `observe`."""
        with torch.no_grad():
            (observations,) = self._by_rows(lambda state: (self._observe(state),), states)
        return observations.astype(self.observation_space.dtype)

    def states_from_observations(self, observations: Array) -> Array:
        """The observations (N, s), where `observe` is the identity; override it where `observe` can be inverted otherwise."""
        if type(self).observe is not DifferentiableEnv.observe:
            return super().states_from_observations(observations)
        return np.asarray(observations, dtype=np.float64)

    def derivatives(self, states: Array, actions: Array, contexts: Array, noise: Array | None = None) -> tuple[Array, Array]:
        """Total derivatives along the context by automatic differentiation, float64.

        d_c s' = d_c f and d_c r = d_c R + d_s' R d_c f (arXiv 2507.07348, first-order CEBE).

        Args:
            states: (N, s).
            actions: (N, a), or integers (N,) where Discrete.
            contexts: (N, p).
            noise: (N, z).

        Returns:
            of next observations (N, o, p) and of rewards (N, p).

        Raises:
            DerivativeError: a derivative is not finite; the message names the row's context.
        """
        size = int(np.prod(self.observation_space.shape or ())) + 1  # numbers in next observation and reward

        def derivatives_of(*rows: Tensor) -> tuple[Tensor, ...]:
            return context_derivatives(self._outcome, rows, size)

        dnext, dreward = self._by_rows(derivatives_of, states, self._actions(actions), contexts, noise, copies=size)
        invalid = ~(np.isfinite(dnext).all(axis=(1, 2)) & np.isfinite(dreward).all(axis=1))
        if invalid.any():
            row = int(np.flatnonzero(invalid)[0])
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
        """Directional derivatives by forward-mode automatic differentiation: exact, whatever the direction's length.

        Args:
            states: (N, s).
            actions: (N, a), or integers (N,) where Discrete.
            contexts: (N, p).
            dstates: (N, s), or None to keep the states.
            dactions: (N, a), or None to keep the actions; Discrete actions have no derivative.
            dcontexts: (N, p), or None to keep the contexts.
            noise: (N, z), held fixed.

        Returns:
            of next observations (N, o) and of rewards (N,).

        Raises:
            DerivativeError: a derivative is not finite, or dactions are given for Discrete actions.
        """
        self._check_directions(dactions)
        moving = 2 if isinstance(self.action_space, spaces.Discrete) else 3
        pairs = [(states, dstates), (contexts, dcontexts), (actions, dactions)][:moving]
        tangents = [np.zeros(np.shape(x)) if dx is None else dx for x, dx in pairs]

        def derivatives_of(*rows: Tensor) -> tuple[Tensor, ...]:
            return directional_derivatives(self._outcome, rows[:3], rows[3 : 3 + moving], rows[3 + moving :])

        dnext, dreward = self._by_rows(derivatives_of, states, self._actions(actions), contexts, *tangents, noise)
        return self._finite(dnext, dreward, contexts)

    def _step_tensors(self, state: Tensor, action: Tensor, context: Tensor, *noise: Tensor) -> tuple[Tensor, ...]:
        next_state, reward = self._transition_and_reward(state, action, context, *noise)
        ends = self._call("terminated", self.terminated, (len(state),), state=next_state, context=context)
        return next_state.double(), reward.double(), ends

    def _outcome(self, state: Tensor, action: Tensor, context: Tensor, *noise: Tensor) -> tuple[Tensor, Tensor]:
        """Next observation (M, o) and reward (M,)."""
        next_state, reward = self._transition_and_reward(state, action, context, *noise)
        return self._observe(next_state), reward

    def _observe(self, state: Tensor) -> Tensor:
        return self._call("observe", self.observe, (len(state), *(self.observation_space.shape or ())), state=state)

    def _transition_and_reward(self, state: Tensor, action: Tensor, context: Tensor, *noise: Tensor) -> tuple[Tensor, Tensor]:
        more = {"noise": noise[0]} if noise and _arguments(self.transition) > 3 else {}
        arguments = {"state": state, "action": action, "context": context}
        next_state = self._call("transition", self.transition, tuple(state.shape), **arguments, **more)
        return next_state, *self._reward_tensors(state, action, next_state, context, *noise)

    def _reward_tensors(
        self, state: Tensor, action: Tensor, next_state: Tensor, context: Tensor, *noise: Tensor
    ) -> tuple[Tensor]:
        more = {"noise": noise[0]} if noise and _arguments(self.reward) > 4 else {}
        arguments = {"state": state, "action": action, "next_state": next_state, "context": context}
        return (self._call("reward", self.reward, (len(state),), **arguments, **more),)

    def _call(self, method: str, function: Callable[..., Any], shape: tuple[int, ...], **arguments: Tensor) -> Tensor:
        """The result of an equation, checked: a tensor of this shape, and the arguments as they were."""
        tensors = arguments.values()
        versions = [tensor._version for tensor in tensors]
        try:
            result = function(*tensors)
        except ERRORS as error:
            raise_explained(self, method, error)
        if [tensor._version for tensor in tensors] != versions:
            check_unchanged(self, method, list(arguments.items()), versions)
        check_result(self, method, result, shape)
        return cast(Tensor, result)

    def _by_rows(
        self, function: Callable[..., tuple[Tensor, ...]], *arrays: Array | Tensor | None, copies: int = 1
    ) -> tuple[Array, ...]:
        """`function` over the rows of the arrays, of which those that are None or empty are left out."""
        tensors = [tensor for tensor in (self._tensor(array) for array in arrays if array is not None) if tensor.numel()]
        try:
            return by_rows(function, tensors, copies=copies)
        except RuntimeError as error:
            refuse_changes_in_place(self, error)
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
