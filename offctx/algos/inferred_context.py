"""Any algorithm of d3rlpy with a trained encoder: z is appended to what it observes, in training and while it plays.

The encoder stays as it is. An observation and its next observation get the same z, that of the window of their row, as the
targets of DMA*-SH have it (arXiv 2602.06550). The window never holds the row itself.

Dimensions: B rows, N rows that play, G windows, o observation, a action, d latent.
"""

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium.spaces import Discrete

from offctx.algos.dmash.encoder import TrainedEncoder
from offctx.algos.dmash.learner import DMASH
from offctx.algos.dmash.running import RunningContext
from offctx.buffers.augmentation import Augmentation
from offctx.buffers.batch import ContextualMiniBatch
from offctx.data.dataset import ContextualDataset
from offctx.data.history.settings import History
from offctx.envs.base import Array
from offctx.envs.policies_with_memory import Transitions
from offctx.errors import AlgorithmError, DatasetError, PolicyError

EncoderLike = TrainedEncoder | DMASH | str | os.PathLike[str]


class InferredContext(Augmentation):
    """Appends z of each row's history window to its observation and next observation.

    The buffer must hide the context. Without `history=` it draws the windows that the encoder was trained on. It tells d3rlpy
    observations of o + d numbers; `InferredContextPolicy` plays what is trained on them.

    Args:
        encoder: a `TrainedEncoder`, as `offctx.train_encoder` gives it; a DMASH that infers its context; or the file of either.

    Attributes:
        encoder: the encoder that computes z, read from its file where a file was given.

    Raises:
        AlgorithmError: something else, or a DMASH that infers no context.
        PolicyError: the file cannot be read.
        DatasetError: the data have other observations or actions than the encoder reads.

    Example::

        encoder = offctx.train_encoder(dataset.replay_buffer(context="anonymous"), steps=5_000, seed=0)
        buffer = dataset.replay_buffer(context="anonymous", augmentation=offctx.InferredContext(encoder))
        agent = d3rlpy.algos.TD3PlusBCConfig().create()
        agent.fit(buffer, n_steps=10_000)
        policy = offctx.InferredContextPolicy(agent, encoder)
        offctx.evaluate(policy, env, contexts, context="hidden", warmup=128)
    """

    def __init__(self, encoder: EncoderLike) -> None:
        self.encoder = encoder_of(encoder)

    @property
    def handles_history(self) -> bool:
        """True: windows stay as they are, and z is computed from them."""
        return True

    @property
    def appends(self) -> int:
        """d."""
        return self.encoder.size

    @property
    def history(self) -> History:
        """The windows that the encoder was trained on."""
        return self.encoder.history

    def prepare(self, dataset: ContextualDataset) -> None:
        """Checks that the encoder reads transitions of such data.

        Raises:
            DatasetError: it reads other observations or actions.
        """
        space, encoder = dataset.action_space, self.encoder
        discrete = isinstance(space, Discrete)
        actions = int(space.n) if isinstance(space, Discrete) else dataset.actions.shape[1]
        data_sizes = (dataset.observations.shape[1], actions, discrete)
        if data_sizes != (encoder.observation_size, encoder.action_size, encoder.config.discrete_actions):
            reads, has = "discrete " if encoder.config.discrete_actions else "", "discrete " if discrete else ""
            raise DatasetError(
                f"the encoder reads {encoder.observation_size} observations and {encoder.action_size} {reads}actions; "
                f"{dataset.dataset_id} has {data_sizes[0]} and {actions} {has}actions"
            )

    def __call__(self, batch: ContextualMiniBatch, rng: np.random.Generator) -> ContextualMiniBatch:
        """Returns the batch with longer observations and next observations (B, o + d).

        Args:
            batch: B rows with history windows.
            rng: not used.

        Raises:
            DatasetError: the batch has no windows.
        """
        if batch.history is None:
            raise DatasetError("InferredContext reads history windows, and the batch has none: give the buffer history=")
        z = batch.history.per_row(self.encoder(batch.history))
        longer: dict[str, Any] = {
            name: np.concatenate([getattr(batch, name), z], axis=1) for name in ("observations", "next_observations")
        }
        return dataclasses.replace(batch, **longer)

    def __repr__(self) -> str:
        return f"InferredContext({self.encoder!r})"


class InferredContextPolicy:
    """A policy with memory from an agent that was trained with `InferredContext`: it keeps z, appends it, and asks the agent.

    Args:
        agent: whose `predict` takes observations with z appended (N, o + d), such as a trained algorithm of d3rlpy.
        encoder: the one that the agent was trained with, as `InferredContext` takes it.

    Raises:
        AlgorithmError: no encoder.
        PolicyError: the agent has no `predict`, no networks yet, or takes inputs of another size.

    Example::

        policy = offctx.InferredContextPolicy(agent, encoder)
        report = offctx.evaluate(policy, env, contexts, episodes=20, seed=0, context="hidden", warmup=128)
    """

    def __init__(self, agent: Any, encoder: EncoderLike) -> None:
        name = type(agent).__name__
        if isinstance(agent, type) or not callable(getattr(agent, "predict", None)):
            raise PolicyError(f"expected an agent with predict(observations); found {agent!r:.200}")
        self._agent, self._encoder = agent, encoder_of(encoder)
        size, d = self._encoder.observation_size, self._encoder.size
        shape = getattr(agent, "observation_shape", (size + d,))
        if shape is None:
            raise PolicyError(f"{name} has no networks yet: fit or load it first")
        if tuple(shape) != (size + d,):
            raise PolicyError(
                f"{name} takes inputs of shape {tuple(shape)}; expected ({size + d},), {size} observations and {d} numbers of "
                f"z: was it trained with this encoder?"
            )
        span = self._encoder.config.within
        self._running = RunningContext(self._encoder, span)
        self.memory_span, self.observation_shape, self.__name__ = span, (size,), name

    def begin(self, rows: Array, same_context: Array, size: int) -> None:
        """Episodes begin in these rows; where the context is another, its memory is forgotten."""
        self._running.begin(rows, same_context, size)

    def act(self, rows: Array, observations: Array, rng: np.random.Generator) -> Array:
        """The agent's actions in these rows (N, a)."""
        z = self._running.latents(rows).cpu().numpy()
        return np.asarray(self._agent.predict(np.concatenate([observations, z], axis=1, dtype=np.float32)))

    def observe(self, transitions: Transitions) -> None:
        """Adds one transition to the memory of each row."""
        self._running.observe(transitions)

    def state(self) -> dict[str, Any]:
        """All that is remembered, as tensors and numbers."""
        return self._running.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on from what `state` returned."""
        self._running.restore(state)


def encoder_of(source: Any) -> TrainedEncoder:
    """The encoder that a user gives: itself, that of a learner, or that in a file.

    Raises:
        AlgorithmError: something else, or a learner that infers no context.
        PolicyError: the file cannot be read.
    """
    if isinstance(source, TrainedEncoder):
        return source
    if isinstance(source, (str, os.PathLike)):
        if os.fspath(source).endswith(".safetensors"):
            return TrainedEncoder.load(source)
        from offctx.training.agents import load_agent

        source = load_agent(source)
    if isinstance(source, DMASH):
        return source.encoder
    raise AlgorithmError(
        f"expected an encoder as offctx.train_encoder gives it, a DMASH that infers its context, or the file of either; found "
        f"{type(source).__name__}"
    )
