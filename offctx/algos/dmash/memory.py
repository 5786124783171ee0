"""The policy that infers its context while it plays, as `offctx.envs.policies_with_memory` has it.

The LSTM reads the last K transitions again in each step, thinned to evenly spaced ones, as in the paper. The set encoder adds
each new transition to a running mean, at constant cost and without forgetting.

Dimensions: E rows of a batch of episodes, N rows that play, K slots, f features of a transition, h hidden, o observation.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from offctx.algos.context_inference.conditioned import Condition
from offctx.algos.context_inference.encoder import ContextEncoder
from offctx.algos.context_inference.features import evenly_spaced
from offctx.algos.context_inference.trunks import SetTrunk, running_mean
from offctx.algos.dmash.impl import DMASHImpl
from offctx.algos.dmash.settings import DMASHSettings
from offctx.envs.policies_with_memory import Transitions


@contextmanager
def evaluating(impl: DMASHImpl) -> Iterator[None]:
    """Within, encoders see all of their window and draw nothing."""
    modules = [module for module in (impl.backbone, impl.inference) if module is not None]
    training = [module.training for module in modules]
    for module in modules:
        module.eval()
    try:
        yield
    finally:
        for module, was in zip(modules, training, strict=True):
            module.train(was)


class Memory(Protocol):
    """What is kept of the transitions of each row."""

    def forget(self, rows: Tensor) -> None:
        """Nothing is known of these rows."""

    def add(self, rows: Tensor, features: Tensor) -> None:
        """One more transition (N, f) in these rows."""

    def latents(self, rows: Tensor) -> Tensor:
        """z of these rows (N, d)."""
        ...


class MeanMemory:
    """The running mean of embeddings, for a set encoder.

    Args:
        encoder: with a set trunk.
        size: E.
        device: where it lives.
    """

    def __init__(self, encoder: ContextEncoder, size: int, device: str) -> None:
        assert isinstance(encoder.trunk, SetTrunk)
        self._encoder, self._trunk = encoder, encoder.trunk
        self._mean = torch.zeros(size, encoder.trunk.size, device=device)
        self._count = torch.zeros(size, device=device)

    def forget(self, rows: Tensor) -> None:
        self._mean[rows] = 0
        self._count[rows] = 0

    def add(self, rows: Tensor, features: Tensor) -> None:
        everywhere = torch.ones(len(rows), dtype=torch.bool, device=features.device)
        updated = running_mean(self._mean[rows], self._count[rows], self._trunk.embed(features), everywhere)
        self._mean[rows], self._count[rows] = updated

    def latents(self, rows: Tensor) -> Tensor:
        z: Tensor = self._encoder.head(self._trunk.from_mean(self._mean[rows])).z
        return z


class WindowMemory:
    """The last K transitions.

    Args:
        encoder: any.
        size: E.
        slots: K.
        keep: how many of them the encoder reads.
        device: where it lives.
    """

    def __init__(self, encoder: ContextEncoder, size: int, slots: int, keep: int, device: str) -> None:
        self._encoder, self._keep = encoder, keep
        self._features = torch.zeros(size, slots, sum(encoder.blocks), device=device)
        self._count = torch.zeros(size, dtype=torch.long, device=device)

    def forget(self, rows: Tensor) -> None:
        self._count[rows] = 0

    def add(self, rows: Tensor, features: Tensor) -> None:
        self._features[rows, self._count[rows] % self._features.shape[1]] = features
        self._count[rows] += 1

    def latents(self, rows: Tensor) -> Tensor:
        slots = self._features.shape[1]
        count = self._count[rows]
        by_age = torch.arange(slots, device=count.device)[None]  # slots of a window, the newest last
        mask = by_age >= slots - count[:, None]
        chosen = evenly_spaced(mask, self._keep)
        places = (count[:, None] - slots + chosen) % slots  # where they lie in the ring
        return self._encoder.of_features(self._features[rows[:, None], places], mask.gather(1, chosen)).z


class DMASHPolicy:
    """A policy with memory, of a learner whose weights it shares.

    Args:
        impl: the networks.
        config: the learner's settings.
        explore: draw actions from the policy; else its mode.
    """

    def __init__(self, impl: DMASHImpl, config: DMASHSettings, *, explore: bool = False) -> None:
        self._impl, self._config, self._explore = impl, config, explore
        self.observation_shape = impl.observation_shape
        self.memory_span = "context" if config.within == "context" else "episode"
        self._memory: Memory | None = None
        self._size = -1
        self._observations: Any = None

    def begin(self, rows: Any, same_context: Any, size: int) -> None:
        """Episodes begin in these rows; where the context is another, its memory is forgotten."""
        if self._impl.inference is None:
            return
        if self._memory is None or size != self._size:
            self._memory, self._size = self._make_memory(self._impl.inference.encoder, size), size
        forgotten = rows if self.memory_span == "episode" else rows[~same_context]
        self._memory.forget(self._tensor(forgotten))

    @torch.no_grad()
    def act(self, rows: Any, observations: Any, rng: np.random.Generator) -> Any:
        """The actions in these rows (N, a), in the units of the environment."""
        with evaluating(self._impl):
            x = self._scaled(observations)
            observed, contexts = self._impl.split(x)
            condition = Condition(contexts) if contexts is not None else self._condition(rows)
            actions = (self._impl.backbone.sample if self._explore else self._impl.backbone.mode)(observed, condition)
        scaler = self._config.action_scaler
        return (actions if scaler is None else scaler.reverse_transform(actions)).cpu().numpy()

    @torch.no_grad()
    def observe(self, transitions: Transitions) -> None:
        """Adds one transition to the memory of each row."""
        inference, config = self._impl.inference, self._config
        if inference is None:
            return
        assert self._memory is not None
        before, after = self._scaled(transitions.observations), self._scaled(transitions.next_observations)
        actions = torch.as_tensor(np.asarray(transitions.actions, np.float32), device=before.device)
        parts = [before, actions if config.action_scaler is None else config.action_scaler.transform(actions), after - before]
        if config.encode_rewards:
            rewards = torch.as_tensor(np.asarray(transitions.rewards, np.float32), device=before.device)[:, None]
            parts.append(rewards if config.reward_scaler is None else config.reward_scaler.transform(rewards))
        with evaluating(self._impl):
            self._memory.add(self._tensor(transitions.rows), torch.cat(parts, dim=-1))

    def _condition(self, rows: Any) -> Condition:
        inference = self._impl.inference
        if inference is None:
            return Condition()
        assert self._memory is not None
        return inference.of_latent(self._memory.latents(self._tensor(rows)))

    def _make_memory(self, encoder: ContextEncoder, size: int) -> Memory:
        device = str(self._impl.device)
        if isinstance(encoder.trunk, SetTrunk):
            return MeanMemory(encoder, size, device)
        return WindowMemory(encoder, size, self._config.window, self._config.kept, device)

    def _scaled(self, observations: Any) -> Tensor:
        x = torch.as_tensor(np.asarray(observations, np.float32), device=self._impl.device)
        scaler = self._config.observation_scaler
        return x if scaler is None else scaler.transform(x)

    def _tensor(self, rows: Any) -> Tensor:
        return torch.as_tensor(np.asarray(rows), dtype=torch.long, device=self._impl.device)
