"""What follows from a changed context, state and action: expanded to first order, or simulated.

With f the transition and R the reward of the environment, and dc, ds, da the changes,

    s'_bar = s' + d_s f ds + d_a f da + d_c f dc         r_bar = r + (total derivative of R along dc, ds, da)

or exactly, (s'_bar, r_bar) = f, R at (s + ds, a + da, c + dc). Terminations are simulated anew where exact, and left as they
are to first order.

Dimensions: B batch, D what the agent sees, o observation, a action, s state, p context.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, final

import numpy as np
from numpy.typing import NDArray

from offctx.buffers.augmentation import DERIVATIVES
from offctx.envs.base import Array, ContextualEnv

if TYPE_CHECKING:
    from offctx.buffers.batch import ContextualMiniBatch


@dataclass(frozen=True)
class Change:
    """How the transitions of a batch are changed.

    Attributes:
        contexts: the new contexts c + dc (B, p), float32.
        dc: (B, p), float32.
        observations: what the agent sees after the change (B, D).
        states: the states before the change (B, s), float64; None where they are not needed.
        ds: (B, s), or None where states stay.
        actions: the actions before the change, as the action space admits them; None where they are not needed.
        new_actions: the actions after the change, likewise; None where actions stay.
    """

    contexts: NDArray[np.float32]
    dc: NDArray[np.float32]
    observations: Array
    states: NDArray[np.float64] | None = None
    ds: NDArray[np.float64] | None = None
    actions: Array | None = None
    new_actions: Array | None = None


def agent_observations(batch: "ContextualMiniBatch", contexts: Array, moved: Array | None) -> Array:
    """What the agent sees (B, D) with new contexts, where they are appended, and with moved observations (B, o), if any."""
    if moved is None and batch.context == "hidden":
        return batch.observations
    observations = np.array(batch.observations)
    if moved is not None:
        observations[:, : moved.shape[1]] = moved
    if batch.context == "append":
        observations[:, -contexts.shape[1] :] = contexts
    return observations


class Outcomes(Protocol):
    """Computes what follows from a change."""

    @property
    def requires(self) -> tuple[str, ...]:
        """The optional arrays of a batch that it needs."""

    def __call__(self, batch: "ContextualMiniBatch", change: Change) -> dict[str, Array]:
        """The changed arrays: `next_observations` (B, D) with the old contexts still appended, `rewards` (B, 1), and others."""


@final
class StoredDerivatives:
    """First order along the context, by the derivatives that the dataset carries."""

    requires = DERIVATIVES

    def __call__(self, batch: "ContextualMiniBatch", change: Change) -> dict[str, Array]:
        """Next observations and rewards."""
        dnext, dreward = batch.dnext_observation_dcontext, batch.dreward_dcontext
        assert dnext is not None and dreward is not None
        next_observations = np.array(batch.next_observations)
        next_observations[:, : dnext.shape[1]] += np.einsum("bop,bp->bo", dnext, change.dc)
        rewards = batch.rewards + np.einsum("bp,bp->b", dreward, change.dc)[:, None]
        return {"next_observations": next_observations, "rewards": rewards}


def required_to_simulate(env: ContextualEnv) -> tuple[str, ...]:
    """The optional arrays of a batch that an environment simulates its transitions from."""
    return ("states", "noise") if env.noise_size else ("states",)


class _ByEnvironment:
    """What computes outcomes by the environment.

    Args:
        env: of the data.
    """

    def __init__(self, env: ContextualEnv) -> None:
        self._env = env
        self.requires = required_to_simulate(env)


@final
class FirstOrder(_ByEnvironment):
    """First order along context, state and action, by the environment."""

    def __call__(self, batch: "ContextualMiniBatch", change: Change) -> dict[str, Array]:
        """Next observations and rewards."""
        states, actions = change.states, change.actions
        assert states is not None and actions is not None
        da = None if change.new_actions is None else change.new_actions.astype(np.float64) - actions
        contexts, dc = batch.contexts.astype(np.float64), change.dc.astype(np.float64)
        dnext, dreward = self._env.expand(states, actions, contexts, change.ds, da, dc, batch.noise)
        next_observations = np.array(batch.next_observations)
        next_observations[:, : dnext.shape[1]] += dnext
        rewards = batch.rewards[:, 0] + dreward
        return {"next_observations": next_observations, "rewards": rewards[:, None].astype(np.float32)}


@final
class Simulated(_ByEnvironment):
    """Exactly, by the environment."""

    def __call__(self, batch: "ContextualMiniBatch", change: Change) -> dict[str, Array]:
        """Next observations, rewards and terminals."""
        states, actions = change.states, change.actions if change.new_actions is None else change.new_actions
        assert states is not None and actions is not None
        if change.ds is not None:
            states = states + change.ds
        next_states, rewards, terminations = self._env.simulate(states, actions, change.contexts, batch.noise)
        simulated = self._env.observations(next_states)
        next_observations = np.array(batch.next_observations)
        next_observations[:, : simulated.shape[1]] = simulated
        return {
            "next_observations": next_observations,
            "rewards": rewards[:, None].astype(np.float32),
            "terminals": terminations[:, None].astype(np.float32),
        }
