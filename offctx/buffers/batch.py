"""The mini-batch that a buffer draws: d3rlpy's own, which also carries contexts and derivatives.

Dimensions: B transitions, o observation, p context, D what the agent sees (o, or o + p where the context is appended),
a action, s simulator state, z noise.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from d3rlpy.dataset import Transition, TransitionMiniBatch

from offctx.cards import HasCard, contexts_text
from offctx.contexts.space import ContextSpace
from offctx.data.history.windows import HistoryWindows
from offctx.envs.base import Array
from offctx.envs.policies import ContextMode
from offctx.errors import DatasetError

_D3RLPY_ARRAYS = ("observations", "actions", "rewards", "next_observations", "next_actions", "terminals", "intervals")


class BatchError(DatasetError):
    """An array of a batch is not what it should be.

    Args:
        expected: what the array should be, as a noun.
        found: what it is, as a noun.
    """

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(f"expected a batch with {expected}; found {found}")
        self.expected, self.found = expected, found


@dataclass(frozen=True, repr=False)
class ContextualMiniBatch(HasCard, TransitionMiniBatch):
    """A d3rlpy mini-batch of B transitions that also carries contexts, and derivatives where the dataset has them.

    All arrays but the ids are float32.

    Attributes:
        observations: what the agent sees (B, D).
        actions: (B, a), or (B, 1) where Discrete.
        rewards: (B, 1).
        next_observations: what the agent sees next (B, D), the true one also where the episode was truncated.
        next_actions: as actions: the next ones of the episode, 0 after a termination.
        terminals: 1 where the environment ended the episode, else 0 (B, 1).
        intervals: steps between the two observations, 1 everywhere (B, 1).
        transitions: the same transitions as d3rlpy's objects, each made when one asks for it.
        contexts: (B, p), in the context's units; NaN where unknown.
        context_ids: integers (B,); -1 where unknown.
        dnext_observation_dcontext: (B, o, p) or None.
        dreward_dcontext: (B, p), total, through the next state too, or None.
        states: simulator states (B, s), where the augmentation requires them, or None.
        noise: what drove stochastic transitions (B, z), where the augmentation requires it, or None.
        context_space: names, units and bounds of the contexts.
        context: whether the contexts are appended to the observations ("append") or hidden from the agent ("hidden").
        history: other transitions beside each row, where the buffer was made with history=, or None.

    Raises:
        BatchError: an array that d3rlpy reads is not float32 with B rows of at least one dimension.

    Example::

        batch = dataset.replay_buffer(context="hidden").sample_transition_batch(256)
        batch.rewards.shape, batch.contexts.shape  # (256, 1), (256, p)
        lower = dataclasses.replace(batch, rewards=batch.rewards - 1)  # as an augmentation does
    """

    # The first eight are d3rlpy's own fields. They stand here again with the types that they have in this class.
    observations: Array
    actions: Array
    rewards: Array
    next_observations: Array
    next_actions: Array
    terminals: Array
    intervals: Array
    transitions: Sequence[Transition]
    contexts: Array
    context_ids: Array
    dnext_observation_dcontext: Array | None
    dreward_dcontext: Array | None
    states: Array | None
    noise: Array | None
    context_space: ContextSpace
    context: ContextMode
    history: HistoryWindows | None = None

    def __post_init__(self) -> None:
        """The checks that d3rlpy makes by assertions, with an error that says what is wrong."""
        for name in _D3RLPY_ARRAYS:
            array: Any = getattr(self, name)
            if not isinstance(array, np.ndarray) or array.dtype != np.float32 or array.ndim < 2:
                raise BatchError(f"{name} as a float32 NumPy array of at least two dimensions", described(array))

    def with_contexts(self, contexts: Array) -> "ContextualMiniBatch":
        """The batch with other contexts, in `contexts` and where they are appended to observations, of windows too.

        Args:
            contexts: (B, p), float32; the same for rows that share a window.

        Returns:
            The batch; all its other arrays stay as they are.
        """
        if self.context == "hidden":
            return dataclasses.replace(self, contexts=contexts)
        changed: dict[str, Any] = {"contexts": contexts, **_appended(self, contexts)}
        if self.history is not None:
            of_window = contexts[self.history.first_rows()]
            slots = of_window[:, None] * self.history.mask[:, :, None]
            changed["history"] = dataclasses.replace(self.history, **_appended(self.history, slots))
        return dataclasses.replace(self, **changed)

    def _card(self) -> dict[str, str]:
        contexts = np.unique(self.contexts[~np.isnan(self.contexts).any(axis=1)], axis=0)
        labels = ("dnext_observation_dcontext", "dreward_dcontext", "states", "noise")
        present = [f"{name} {getattr(self, name).shape}" for name in labels if getattr(self, name) is not None]
        return {
            "transitions": str(len(self.rewards)),
            "contexts": contexts_text(self.context_space.names, contexts),
            "observations": f"{self.observations.shape}, context {self.context}",
            "actions": str(self.actions.shape),
            "labels": ", ".join(present) or "none",
            **(
                {}
                if self.history is None
                else {"history": f"{len(self.history)} windows of {self.history.mask.shape[1]} slots"}
            ),
        }


def _appended(rows: Any, contexts: Array) -> dict[str, Array]:
    """Observations and next observations (..., D) of rows or windows, with contexts (..., p) in their last places."""
    changed = {name: np.array(getattr(rows, name)) for name in ("observations", "next_observations")}
    for array in changed.values():
        array[..., -contexts.shape[-1] :] = contexts
    return changed


def described(array: Any) -> str:
    """What an array is, for an error message."""
    if isinstance(array, np.ndarray):
        return f"{array.dtype} of shape {array.shape}"
    return "None" if array is None else f"a {type(array).__name__}"
