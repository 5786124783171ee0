"""The policy that infers its context while it plays, as `offctx.envs.policies_with_memory` has it.

Dimensions: N rows that play.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from offctx.algos.context_inference.conditioned import Condition
from offctx.algos.dmash.encoder import TrainedEncoder
from offctx.algos.dmash.impl import DMASHImpl
from offctx.algos.dmash.running import RunningContext
from offctx.algos.dmash.settings import DMASHSettings
from offctx.envs.policies_with_memory import MemorySpan, Transitions
from offctx.envs.row_draws import RowGenerator
from offctx.module_modes import evaluation_mode

_AT_ONCE = 128  # rows whose adapters are generated together: 8 MB of weights, which stay in the cache


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
        self.memory_span: MemorySpan = "context" if config.within == "context" else "episode"
        self._running: RunningContext | None = None
        if impl.inference is not None:
            self._running = RunningContext(TrainedEncoder(impl.inference.encoder, config), self.memory_span)

    def begin(self, rows: Any, same_context: Any, size: int) -> None:
        """Episodes begin in these rows; where the context is another, its memory is forgotten."""
        if self._running is not None:
            self._running.begin(rows, same_context, size)

    @torch.no_grad()
    def act(self, rows: Any, observations: Any, rng: np.random.Generator) -> Any:
        """The actions in these rows (N, a), in the units of the environment."""
        with evaluation_mode(self._impl.inference and self._impl.inference.encoder):
            observed, known = self._impl.split(self._scaled(observations))
            if known is None and self._running is not None:
                known = self._running.latents(rows)
            if self._explore:
                actions = self._impl.backbone.sample(observed, self._condition(known), self._noise(len(rows), rng))
            else:
                parts = torch.split(observed, _AT_ONCE)
                conditions: Sequence[Tensor | None] = [None] * len(parts) if known is None else torch.split(known, _AT_ONCE)
                modes = [self._impl.backbone.mode(x, self._condition(z)) for x, z in zip(parts, conditions, strict=True)]
                actions = torch.cat(modes)
        scaler = self._config.action_scaler
        return (actions if scaler is None else scaler.reverse_transform(actions)).cpu().numpy()

    def observe(self, transitions: Transitions) -> None:
        """Adds one transition to the memory of each row."""
        if self._running is not None:
            self._running.observe(transitions)

    def state(self) -> dict[str, Any]:
        """All that is remembered, as tensors and numbers, for a run folder; the weights are the learner's."""
        return {} if self._running is None else self._running.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on from what `state` returned.

        Raises:
            ValueError: the state is that of another kind of learner.
        """
        if self._running is not None:
            self._running.restore(state)
        elif state:
            raise ValueError("expected no memory: this learner infers no context; found that of another learner")

    def _condition(self, known: Tensor | None) -> Condition:
        """What networks are told of rows whose z, or given context, is known (N, d); None: nothing is."""
        inference = self._impl.inference
        return Condition(known) if known is None or inference is None else inference.of_latent(known)

    def _noise(self, n: int, rng: np.random.Generator) -> Tensor | None:
        """Noise of actions (n, a), each row from its own stream; None where rows have none, and PyTorch's generator draws."""
        if not isinstance(rng, RowGenerator):
            return None
        noise = rng.standard_normal((n, self._impl.action_size))
        return torch.as_tensor(noise, dtype=torch.float32, device=self._impl.device)

    def _scaled(self, observations: Any) -> Tensor:
        x = torch.as_tensor(np.asarray(observations, np.float32), device=self._impl.device)
        scaler = self._config.observation_scaler
        return x if scaler is None else scaler.transform(x)
