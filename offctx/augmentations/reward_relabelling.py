"""Rewards of other contexts by the true reward function: what is possible where the reward is known.

For a transition (s, a, r, s') at context c, and a context c' drawn uniformly within the bounds of the coordinates that
change the reward alone,

    r_bar = R(s, a, s', c'),      s, a and s' stay as they are

It is the control of CSE on reward contexts (a target, a direction): it needs no derivatives, but the reward function.

Source: relabelling with another goal, arXiv 1707.01495 (HER), here with the context as the goal.

Dimensions: B batch, o observation, p context.
"""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from offctx.augmentations.simulating import SimulatingAugmentation
from offctx.buffers.windows import change_windows, for_each_window
from offctx.contexts.redraw import redraw_until_valid
from offctx.envs.base import Array
from offctx.envs.resolve import EnvLike
from offctx.errors import ContextError, DerivativeError

if TYPE_CHECKING:
    from offctx.buffers.batch import ContextualMiniBatch

_REDRAWS = 50
_ROUNDING = 1e-5  # relative: stored observations are float32


class RewardRelabelling(SimulatingAugmentation):
    """Gives every sampled transition a context drawn uniformly within its bounds, and the true reward there.

    Args:
        env: the environment of the data (an id, a factory or an environment); its reward function is used.
        coordinates: the names of the coordinates that are drawn. They must change the reward alone. All others stay.

    Raises:
        ContextError: no coordinate is named, one is unknown, discrete or unbounded; or, at the call, a coordinate changes
            the next observation.

    Source:
        arXiv 1707.01495 relabels with goals; here the context is the goal.

    Example::

        relabelling = offctx.RewardRelabelling("offctx/PendulumGoal-v0", ["tau"])
        buffer = dataset.replay_buffer(augmentation=relabelling)
    """

    def __init__(self, env: EnvLike, coordinates: Sequence[str]) -> None:
        super().__init__(env)
        space = self._env.context_space
        names = [coordinates] if isinstance(coordinates, str) else list(coordinates or ())
        if not names:
            raise ContextError(f"RewardRelabelling needs at least one coordinate of {list(space.names)}; found none")
        if len(set(names)) < len(names):
            raise ContextError(f"RewardRelabelling names a coordinate twice: {names}")
        self.coordinates = tuple(names)
        self._moving = np.isin(np.arange(space.size), [space.index(name) for name in names])
        bounded = np.isfinite(space.low) & np.isfinite(space.high)
        unsuitable = [name for name, k in zip(space.names, self._moving & ~(bounded & space.continuous), strict=True) if k]
        if unsuitable:
            raise ContextError(
                f"RewardRelabelling draws continuous coordinates within finite bounds; {unsuitable} are not such"
            )

    def __call__(self, batch: "ContextualMiniBatch", rng: np.random.Generator) -> "ContextualMiniBatch":
        """The batch with other contexts and their rewards.

        Args:
            batch: B transitions, with the arrays in `requires`.
            rng: draws the contexts.

        Returns:
            The batch with other contexts and rewards. Observations without their contexts stay as they are.

        Raises:
            DerivativeError: the batch lacks an array in `requires`.
            ContextError: a coordinate changes the next observation.
        """
        for name in self.requires:
            if getattr(batch, name) is None:
                raise DerivativeError(f"RewardRelabelling needs a batch with {name}; make the buffer with it")
        contexts = for_each_window(batch, lambda values: self._draw(values.astype(np.float64), rng))
        relabelled = self._relabelled(batch, contexts).with_contexts(contexts)
        if batch.history is None:
            return relabelled
        of_slots = np.repeat(contexts[batch.history.first_rows()], batch.history.lengths, axis=0)
        windows = change_windows(relabelled, lambda slots: self._relabelled(slots, of_slots))
        return dataclasses.replace(relabelled, history=windows)

    def _relabelled(self, batch: "ContextualMiniBatch", contexts: NDArray[np.float32]) -> "ContextualMiniBatch":
        """The batch with the rewards of other contexts (B, p)."""
        assert batch.states is not None
        states, actions = batch.states.astype(np.float64), self._env.admit_actions(batch.actions, len(contexts))
        next_states, rewards, _ = self._env.simulate(states, actions, contexts, batch.noise)
        self._check_next_observations(batch, next_states)
        return dataclasses.replace(batch, rewards=rewards[:, None].astype(np.float32))

    def _draw(self, contexts: Array, rng: np.random.Generator) -> NDArray[np.float32]:
        """Contexts (B, p): the coordinates drawn uniformly within their bounds; where no draw is valid, the given context."""
        space, moving = self._env.context_space, self._moving
        low, high = space.low[moving], space.high[moving]

        def propose(missing: NDArray[np.intp], _: int) -> tuple[Array, NDArray[np.bool_]]:
            proposed = contexts[missing]
            proposed[:, moving] = rng.uniform(low, high, (len(missing), int(moving.sum())))
            return proposed, space.valid(proposed)

        new_contexts, invalid = redraw_until_valid(propose, len(contexts), _REDRAWS)
        new_contexts[invalid] = contexts[invalid]
        return new_contexts.astype(np.float32)

    def _check_next_observations(self, batch: "ContextualMiniBatch", next_states: Array) -> None:
        """Raises ContextError where the drawn contexts lead to other next observations than the batch's contexts.

        The stored next observations are compared first. Where a rounded state does not lead to them again, as with contacts
        in MuJoCo, the transitions are simulated at the batch's own contexts too.
        """
        simulated = self._env.observations(next_states)
        if _equal_but_for_rounding(simulated, batch.next_observations[:, : simulated.shape[1]]):
            return
        assert batch.states is not None
        states, batch_contexts = batch.states.astype(np.float64), batch.contexts.astype(np.float64)
        next_states_of_batch = self._env.simulate(
            states, self._env.admit_actions(batch.actions, len(batch_contexts)), batch_contexts, batch.noise
        )[0]
        if not _equal_but_for_rounding(simulated, self._env.observations(next_states_of_batch)):
            raise ContextError(
                f"RewardRelabelling: {list(self.coordinates)} change the next observation, not the reward alone; "
                "use CSE, or name only coordinates of the reward"
            )

    def __repr__(self) -> str:
        return f"RewardRelabelling({type(self._env).__name__}, {list(self.coordinates)})"


def _equal_but_for_rounding(simulated: Array, expected: Array) -> bool:
    """Whether next observations (B, o) are equal but for what float32 rounds."""
    tolerance = _ROUNDING * max(1.0, float(np.abs(expected).max()))
    return bool(np.allclose(simulated, expected, rtol=_ROUNDING, atol=tolerance))
