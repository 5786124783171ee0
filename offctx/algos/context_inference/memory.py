"""What is kept of the transitions of each row of a batch of episodes while a policy plays, and z of it.

The set encoder adds each new transition to a running mean, at constant cost and without forgetting. The LSTM reads the last K
transitions again in each step, thinned to evenly spaced ones, as in the paper (arXiv 2602.06550).

Dimensions: E rows of a batch of episodes, N rows that play, K slots, f features of a transition, h hidden, d latent.
"""

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from offctx.algos.context_inference.encoder import ContextEncoder
from offctx.algos.context_inference.features import evenly_spaced
from offctx.algos.context_inference.trunks import SetTrunk, running_mean


class Memory(Protocol):
    """What is kept of the transitions of each row."""

    def forget(self, rows: Tensor) -> None:
        """Nothing is known of these rows."""

    def add(self, rows: Tensor, features: Tensor) -> None:
        """One more transition (N, f) in these rows."""

    def latents(self, rows: Tensor) -> Tensor:
        """z of these rows (N, d)."""
        ...

    def state(self) -> dict[str, Tensor]:
        """All that is kept, copied, on the CPU."""
        ...

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Goes on from what `state` returned; a shape that does not fit raises a ValueError."""


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
        updated = running_mean(self._mean[rows], self._count[rows], self._trunk.embed(features))
        self._mean[rows], self._count[rows] = updated

    def latents(self, rows: Tensor) -> Tensor:
        z: Tensor = self._encoder.head(self._trunk.from_mean(self._mean[rows])).z
        return z

    def state(self) -> dict[str, Tensor]:
        return {"mean": self._mean.cpu().clone(), "count": self._count.cpu().clone()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        _copy_into({"mean": self._mean, "count": self._count}, state)


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

    def state(self) -> dict[str, Tensor]:
        return {"features": self._features.cpu().clone(), "count": self._count.cpu().clone()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        _copy_into({"features": self._features, "count": self._count}, state)


def make_memory(encoder: ContextEncoder, size: int, slots: int, keep: int, device: str) -> Memory:
    """An empty memory that suits the encoder: a running mean for a set encoder, else the last transitions."""
    if isinstance(encoder.trunk, SetTrunk):
        return MeanMemory(encoder, size, device)
    return WindowMemory(encoder, size, slots, keep, device)


def _copy_into(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> None:
    if set(state) != set(own):
        raise ValueError(f"expected the memory of such an encoder, with {sorted(own)}; found {sorted(state)}")
    for name, tensor in own.items():
        if state[name].shape != tensor.shape:
            raise ValueError(
                f"{name} of the memory: expected the shape {tuple(tensor.shape)}; found {tuple(state[name].shape)}"
            )
        tensor.copy_(state[name])
