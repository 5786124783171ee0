"""What the transitions of history windows would have led to in other contexts, simulated: CORRO's exact negatives.

    s'_j, r_j = simulate(s, a, c_j)        for the (s, a) of each slot, with the stored noise, and a context c_j of the data

All slots of a window share c_j, which is not the window's own context.

Dimensions: G windows, K slots, n outcomes, C contexts of the data, B batch, o observation, p context.
"""

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from offctx.augmentations.simulating import SimulatingAugmentation
from offctx.buffers.windows import slots_of
from offctx.checks import whole_number
from offctx.envs.base import Array
from offctx.envs.resolve import EnvLike
from offctx.errors import ContextError, DatasetError, EnvError

if TYPE_CHECKING:
    from offctx.buffers.batch import ContextualMiniBatch
    from offctx.data.dataset import ContextualDataset


class SimulatedOutcomes(SimulatingAugmentation):
    """Simulates the transitions of history windows in other contexts of the data, as negatives of CORRO's loss.

    Privileged: training asks the simulator for outcomes that the data do not hold. Whoever reports a result marks it so, and
    compares it apart from learners that have the data alone. The policy plays without the simulator.

    Args:
        env: the environment of the data (an id, a factory or an environment).
        number: n, in how many other contexts each window is simulated, at least 1.

    Raises:
        EnvError: the environment shows observations with a delay.
        DatasetError: the number is out of range.
        ContextError: the data have one context alone.

    Source:
        arXiv 2206.10442, whose generator of negatives this replaces by the environment.

    Example::

        negatives = offctx.SimulatedOutcomes("offctx/DoubleIntegrator-v0")
        buffer = dataset.replay_buffer(context="anonymous", augmentation=negatives)
        encoder = offctx.train_encoder(buffer, steps=5_000, seed=0, config=offctx.algos.dmash_preset("corro"))
    """

    def __init__(self, env: EnvLike, number: int = 4) -> None:
        self.number = whole_number(number, "SimulatedOutcomes number", 1, DatasetError)
        super().__init__(env)
        if self._env.delayed:
            raise EnvError("SimulatedOutcomes cannot simulate an environment with a delay: next observations show the past")
        self._contexts: Array = np.zeros((0, self._env.context_space.size))

    def prepare(self, dataset: "ContextualDataset") -> None:
        """Learn the contexts of the data.

        Raises:
            ContextError: the data have one context alone.
        """
        self._contexts = dataset.unique_contexts
        if len(self._contexts) < 2:
            raise ContextError(
                f"SimulatedOutcomes needs data of at least 2 contexts; {dataset.dataset_id} has {len(self._contexts)}"
            )

    def __call__(self, batch: "ContextualMiniBatch", rng: np.random.Generator) -> "ContextualMiniBatch":
        """Returns the batch whose windows have `simulated_next_observations` (G, K, n, o) and `simulated_rewards` (G, K, n, 1).

        Raises:
            DatasetError: the batch has no windows, or its observations have the context appended.
            ContextError: `prepare` has seen no data, as in a buffer that is filled online.
        """
        history = batch.history
        if history is None:
            raise DatasetError(
                "SimulatedOutcomes simulates history windows, and the batch has none: train a learner that infers its context, "
                "or give the buffer history="
            )
        if batch.context == "append":
            raise DatasetError('SimulatedOutcomes is for buffers that hide the context, such as context="anonymous"')
        if not len(self._contexts):
            raise ContextError("SimulatedOutcomes simulates the contexts of a dataset; a buffer that is filled online has none")
        next_observations, rewards = self._simulate(slots_of(batch), self._others(batch, rng))
        columns: dict[str, Any] = {"simulated_next_observations": next_observations, "simulated_rewards": rewards}
        for name, filled in columns.items():
            column = np.zeros((*history.mask.shape, *filled.shape[1:]), np.float32)
            column[history.mask] = filled
            columns[name] = column
        return dataclasses.replace(batch, history=dataclasses.replace(history, **columns))

    def _others(self, batch: "ContextualMiniBatch", rng: np.random.Generator) -> Array:
        """For each filled slot n contexts of the data (slots, n, p), the same for all slots of a window, none its own."""
        assert batch.history is not None
        own = batch.contexts[batch.history.first_rows()]
        differs = (self._contexts[None].astype(own.dtype) != own[:, None]).any(axis=-1)  # (G, C)
        chances = rng.random((len(own), self.number, len(self._contexts)))
        chosen = np.where(differs[:, None], chances, -1.0).argmax(axis=-1)
        return np.repeat(self._contexts[chosen], batch.history.lengths, axis=0)

    def _simulate(self, slots: "ContextualMiniBatch", contexts: Array) -> tuple[Array, Array]:
        """Next observations (slots, n, o) and rewards (slots, n, 1) in contexts (slots, n, p), all in one call."""
        count, n = contexts.shape[:2]
        if not count:
            return np.zeros((0, n, slots.observations.shape[1])), np.zeros((0, n, 1))
        assert slots.states is not None
        rows = np.repeat(np.arange(count), n)
        noise = slots.noise[rows] if self._env.noise_size and slots.noise is not None else None
        actions = self._env.admit_actions(slots.actions[rows], len(rows))
        states = slots.states[rows].astype(np.float64)
        next_states, rewards, _ = self._env.simulate(states, actions, contexts.reshape(len(rows), -1), noise)
        return self._env.observations(next_states).reshape(count, n, -1), rewards.reshape(count, n, 1)

    def __repr__(self) -> str:
        return f"SimulatedOutcomes({type(self._env).__name__}, number={self.number}, privileged)"
