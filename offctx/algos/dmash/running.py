"""What a policy knows of the contexts of a batch of episodes while it plays: z of all that was seen in each row.

Dimensions: E rows of a batch of episodes, N rows that play, d latent.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from offctx.algos.context_inference.memory import Memory
from offctx.algos.dmash.encoder import TrainedEncoder
from offctx.envs.policies_with_memory import MemorySpan, Transitions
from offctx.errors import PolicyError
from offctx.module_modes import evaluation_mode


class RunningContext:
    """z of each row, kept up to date by the transitions that are shown. Part of a policy with memory, whose rules it keeps.

    Args:
        encoder: reads the transitions.
        span: "context" keeps the memory of a row while its context stays the same; "episode" forgets it at each beginning.

    Attributes:
        encoder: as given.
        span: as given.
    """

    def __init__(self, encoder: TrainedEncoder, span: MemorySpan) -> None:
        self.encoder, self.span = encoder, span
        self._memory: Memory | None = None
        self._size = -1

    def begin(self, rows: Any, same_context: Any, size: int) -> None:
        """Episodes begin in these rows of a batch of `size`."""
        if self._memory is None or size != self._size:
            self._memory, self._size = self.encoder.memory(size), size
        self._memory.forget(self._indices(rows if self.span == "episode" else rows[~same_context]))

    @torch.no_grad()
    def observe(self, transitions: Transitions) -> None:
        """Adds one transition to the memory of each row.

        Raises:
            PolicyError: no episode has begun.
        """
        memory = self._begun()
        parts = (transitions.observations, transitions.actions, transitions.rewards, transitions.next_observations)
        with evaluation_mode(self.encoder.module):
            memory.add(self._indices(transitions.rows), self.encoder.features(*parts))

    @torch.no_grad()
    def latents(self, rows: Any) -> Tensor:
        """z of these rows (N, d).

        Raises:
            PolicyError: no episode has begun.
        """
        memory = self._begun()
        with evaluation_mode(self.encoder.module):
            return memory.latents(self._indices(rows))

    def state(self) -> dict[str, Any]:
        """All that is remembered, as tensors and numbers."""
        return {} if self._memory is None else {"size": self._size, "memory": self._memory.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on from what `state` returned.

        Raises:
            ValueError: the state is that of another kind of encoder.
        """
        self._memory, self._size = None, -1
        if state:
            self._size = int(state["size"])
            self._memory = self.encoder.memory(self._size)
            self._memory.restore(state["memory"])

    def _begun(self) -> Memory:
        if self._memory is None:
            raise PolicyError("the memory is empty: call begin(rows, same_context, size) before the first step of an episode")
        return self._memory

    def _indices(self, rows: Any) -> Tensor:
        device = next(self.encoder.module.parameters()).device
        return torch.as_tensor(np.asarray(rows), dtype=torch.long, device=device)
