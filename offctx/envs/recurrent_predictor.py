"""Recurrent policies in the form of stable-baselines3: predict(observations, state, episode_start) -> actions, state.

Dimensions: N rows, o observation, a action.
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from offctx.envs.base import Array
from offctx.envs.policies_with_memory import MemorySpan, Transitions, check_span
from offctx.envs.row_states import RowStates
from offctx.errors import PolicyError


class PredictsWithState(Protocol):
    """A policy that is given its state back, such as a `RecurrentPPO` of sb3-contrib."""

    def predict(
        self, observation: Array, state: Any = None, episode_start: Array | None = None, deterministic: bool = False
    ) -> tuple[ArrayLike, Any]:
        """Returns actions (N, a) and the next state.

        Args:
            observation: float32 (N, o).
            state: what it returned last for these rows, such as a tuple of arrays (layers, N, hidden); None at the beginning.
            episode_start: booleans (N,), True where the state is to be forgotten.
            deterministic: always True here.
        """
        ...


class RecurrentPredictor:
    """A policy with memory from anything with stable-baselines3's `predict(observation, state, episode_start, deterministic)`.

    The state is kept for each row. Rows that begin without a memory are predicted in a call of their own, with state None and
    episode_start True; so a row never depends on which rows begin beside it. Actions are deterministic.

    Args:
        model: the policy; stable-baselines3 need not be installed.
        memory_span: "context" keeps the state from episode to episode of the same context, and `episode_start` is then True in
            the first of them only; "episode" forgets it, as the policy was trained by stable-baselines3's own loop.
        rows_axis: the axis of the state's arrays that counts the rows; 1 as in (layers, N, hidden).

    Raises:
        PolicyError: the model has no `predict`, or the span or the axis is not valid.

    Example::

        policy = offctx.envs.RecurrentPredictor(RecurrentPPO.load("model.zip"))
        report = offctx.evaluate(policy, env, contexts, episodes=20, seed=0, context="hidden", warmup=128)
    """

    def __init__(self, model: PredictsWithState, *, memory_span: MemorySpan = "context", rows_axis: int = 1) -> None:
        if not callable(getattr(model, "predict", None)):
            raise PolicyError(f"expected a model with predict(observation, state, episode_start); found {type(model).__name__}")
        self.memory_span = check_span(memory_span)
        self._model = model
        self._states = RowStates(rows_axis, "rows_axis says which axis counts the rows")
        self.__name__ = type(model).__name__

    def begin(self, rows: Array, same_context: Array, size: int) -> None:
        """Episodes begin in these rows."""
        self._states.begin(rows if self.memory_span == "episode" else rows[~same_context], size)

    def act(self, rows: Array, observations: Array, rng: np.random.Generator) -> Array:
        """The actions in these rows, and a step of their states."""
        return self._states.step(rows, lambda mask, state: self._predict(observations[mask], state))

    def observe(self, transitions: Transitions) -> None:
        """The state has all it needs from the observations."""

    def _predict(self, observations: Array, state: Any) -> tuple[Array, Any]:
        starts = np.full(len(observations), state is None)
        result = self._model.predict(observations, state=state, episode_start=starts, deterministic=True)
        if not isinstance(result, tuple) or len(result) != 2:
            raise PolicyError(f"expected predict to return (actions, state); found {type(result).__name__}")
        if result[1] is None:
            raise PolicyError("predict returned no state: this policy has no memory, and needs no RecurrentPredictor")
        return np.asarray(result[0]), result[1]
