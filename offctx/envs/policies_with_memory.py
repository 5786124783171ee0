"""Policies with memory: what they must offer, and how they are recognised.

A policy with memory infers its context from what it has seen. It plays a batch of episodes, one in each row, and keeps a memory
for each row. Whoever plays it (`offctx.collect`, `offctx.evaluate`) calls three methods:

    begin(rows, same_context, size)      episodes begin in these rows
    act(rows, observations, rng)         -> the actions it would take there
    observe(transitions)                 what followed the actions that were played

Rules that every caller keeps:

1. `begin` comes first. The memory of a row may be kept where `same_context` is True; it must be forgotten elsewhere.
2. In every time step, `act` is called once with all rows whose episode is running, then `observe` with the same rows in the
   same order. Episodes end at different times; a row that has ended is named no more until it begins again.
3. `act` is also called where another policy plays (during a warm-up). Its actions are then not played. Those in `observe` are.
4. What one row does never depends on which other rows are played beside it.

Dimensions: N rows, E rows of the whole batch, o observation, a action, p context.
"""

import inspect
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from offctx.errors import PolicyError

Array = NDArray[Any]

MemorySpan = Literal["context", "episode"]

_METHODS = {"begin": ("rows", "same_context", "size"), "act": ("rows", "observations", "rng"), "observe": ("transitions",)}


@dataclass(frozen=True)
class Transitions:
    """One transition in each of N rows. Observations are as the policy sees them: with the context appended, or hidden.

    Attributes:
        rows: the rows of the batch (N,), each at most once.
        observations: float32 (N, o), or (N, o + p) where the context is appended.
        actions: that were played, within the bounds of the space: (N, a), or int64 (N,) where Discrete.
        rewards: float64 (N,).
        next_observations: as `observations`.
        terminations: booleans (N,).
        truncations: booleans (N,), True where the episode is cut off after this transition.
    """

    rows: Array
    observations: Array
    actions: Array
    rewards: Array
    next_observations: Array
    terminations: Array
    truncations: Array


class PolicyWithMemory(Protocol):
    """A policy that keeps a memory for each row of a batch of episodes. The module's docstring has the rules of the calls.

    It may also have `memory_span`: "context" (the default) where its memory lasts as long as the context stays the same,
    "episode" where it forgets at the end of each episode, so that a warm-up makes no difference. It may have
    `observation_shape`, the shape of one input, which is then checked before it plays.

    One object plays one batch at a time. An object that is used for other things meanwhile, such as a learner, instead has a
    method `memory_policy()` that makes such a policy; it is called once for each batch.

    Example::

        class MeanReward:  # acts on the mean of the rewards that it has seen
            def begin(self, rows, same_context, size):
                if not hasattr(self, "sums") or len(self.sums) != size:
                    self.sums, self.counts = np.zeros(size), np.zeros(size)
                forgotten = rows[~same_context]
                self.sums[forgotten] = self.counts[forgotten] = 0

            def act(self, rows, observations, rng):
                return np.tanh(self.sums[rows] / np.maximum(self.counts[rows], 1))[:, None]

            def observe(self, transitions):
                self.sums[transitions.rows] += transitions.rewards
                self.counts[transitions.rows] += 1
    """

    def begin(self, rows: Array, same_context: Array, size: int) -> None:
        """Episodes begin in these rows.

        Args:
            rows: whole numbers (N,) below `size`, each at most once.
            same_context: booleans (N,), True where the context of the row is that of its last episode.
            size: E, the number of rows of the batch. Rows that are not named keep their memory while `size` stays the same.
        """

    def act(self, rows: Array, observations: Array, rng: np.random.Generator) -> ArrayLike:
        """The actions in these rows.

        Args:
            rows: (N,).
            observations: float32 (N, o), or (N, o + p) where the context is appended.
            rng: for policies that draw. In `offctx.collect` and `offctx.evaluate` each row draws from a stream of its own: draw
                arrays whose first axis has length N, such as rng.standard_normal((N, a)), or one number for all rows. Other
                shapes, and draws from the global generators of NumPy and PyTorch, are refused by rule 4.

        Returns:
            (N, a) or, where Discrete, (N,).
        """
        ...

    def observe(self, transitions: Transitions) -> None:
        """What followed in the rows of the last `act`.

        Args:
            transitions: one for each of them.
        """


def has_memory(policy: Any) -> bool:
    """Whether a policy keeps a memory: it has begin, act and observe, or makes a policy that has, by `memory_policy()`."""
    if isinstance(policy, type):
        return False
    return callable(getattr(policy, "memory_policy", None)) or all(callable(getattr(policy, name, None)) for name in _METHODS)


def memory_span(policy: Any) -> MemorySpan:
    """How long a policy with memory remembers: "context", or "episode" where it forgets at the end of each episode.

    Raises:
        PolicyError: its `memory_span` is neither.
    """
    return check_span(getattr(policy, "memory_span", "context"), f"policy {type(policy).__name__!r}: ")


def check_span(span: Any, of: str = "") -> MemorySpan:
    """The span, "context" or "episode"; PolicyError for anything else, which begins with `of`."""
    if span not in ("context", "episode"):
        raise PolicyError(f'{of}memory_span must be "context" or "episode"; found {span!r}')
    return span  # type: ignore[no-any-return]  # just checked


def policy_with_memory(policy: Any) -> PolicyWithMemory:
    """The policy itself, or the one that its `memory_policy()` makes, checked.

    Raises:
        PolicyError: a method is missing, or takes other arguments than those of `PolicyWithMemory`.
    """
    name = type(policy).__name__
    made = policy.memory_policy() if callable(getattr(policy, "memory_policy", None)) else policy
    for method, arguments in _METHODS.items():
        function = getattr(made, method, None)
        if not callable(function):
            raise PolicyError(
                f"policy {name!r} has no method {method}{_signature(arguments)}; a policy with memory has {_listed()}"
            )
        try:
            signature = inspect.signature(function)
        except (TypeError, ValueError):  # of a built-in function
            continue
        try:
            signature.bind(*arguments)
        except TypeError as error:
            raise PolicyError(
                f"policy {name!r}: {method} takes the arguments {signature}; a policy with memory has {_listed()}"
            ) from error
    memory_span(made)
    return made  # type: ignore[no-any-return]  # just checked


def refuse_half_a_memory(policy: Any) -> None:
    """Refuses an object that has some, not all, of the methods of a policy with memory, and nothing else to act by.

    Raises:
        PolicyError: so it is.
    """
    methods = [name for name in _METHODS if callable(getattr(policy, name, None))]
    if "act" in methods and not callable(getattr(policy, "predict", None)) and not callable(policy):
        missing = [name for name in _METHODS if name not in methods]
        raise PolicyError(
            f"policy {type(policy).__name__!r} has no {' and no '.join(missing)}; a policy with memory has {_listed()}"
        )


def _signature(arguments: tuple[str, ...]) -> str:
    return f"({', '.join(arguments)})"


def _listed() -> str:
    return ", ".join(f"{name}{_signature(arguments)}" for name, arguments in _METHODS.items())
