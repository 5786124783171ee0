"""The recurrent and the set part of an encoder: from the features of a window to one vector.

Both read any number of slots, ignore empty ones wherever they are, and give the vector of a window without any transition.

Dimensions: W windows, K slots, f features of a transition, h hidden.
"""

import torch
from torch import Tensor, nn

from offctx.algos.context_inference.normalisation import AvgL1Norm


class LSTMTrunk(nn.Module):
    """An LSTM over the filled slots in their order (arXiv 2602.06550): embedding without bias, AvgL1Norm, last hidden state.

    Args:
        features: f.
        size: h, of the embedding and of the LSTM.
    """

    def __init__(self, features: int, size: int = 32) -> None:
        super().__init__()
        self.size = size
        self.embed = nn.Sequential(nn.Linear(features, size, bias=False), AvgL1Norm())
        self.lstm = nn.LSTM(size, size, batch_first=True)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        # The filled slots come first, so that no step over an empty slot precedes the state that is read.
        order = (~mask).long().argsort(dim=1, stable=True)
        states, _ = self.lstm(self.embed(features).gather(1, order[..., None].expand(-1, -1, self.size)))
        count = mask.sum(dim=1)
        last = states.gather(1, (count - 1).clamp_min(0)[:, None, None].expand(-1, 1, self.size))[:, 0]
        state: Tensor = last * (count > 0)[:, None]
        return state


class SetTrunk(nn.Module):
    """The mean over filled slots of an embedding of each (a deep set, arXiv 1703.06114): the order of slots has no effect.

    A mean of any number of transitions is updated by one more transition at constant cost: `embed` and `from_mean`.

    Args:
        features: f.
        size: h.
    """

    def __init__(self, features: int, size: int = 64) -> None:
        super().__init__()
        self.size = size
        self.first = nn.Sequential(nn.Linear(features, size), nn.ReLU(), nn.Linear(size, size))
        self.second = nn.Sequential(AvgL1Norm(), nn.Linear(size, size), nn.ReLU())

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        weights = mask.to(features.dtype)[..., None]
        return self.from_mean((self.embed(features) * weights).sum(dim=1) / weights.sum(dim=1).clamp_min(1.0))

    def embed(self, features: Tensor) -> Tensor:
        """What is averaged: (..., h) of features (..., f)."""
        embedded: Tensor = self.first(features)
        return embedded

    def from_mean(self, mean: Tensor) -> Tensor:
        """(..., h) of the mean of embeddings (..., h); 0 where there is none."""
        result: Tensor = self.second(mean)
        return result


def make_trunk(kind: str, features: int) -> LSTMTrunk | SetTrunk:
    """A trunk by its name: "lstm" or "set"."""
    return LSTMTrunk(features) if kind == "lstm" else SetTrunk(features)


def running_mean(mean: Tensor, count: Tensor, embedded: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """The mean and the number of embeddings after one more in some rows.

    Args:
        mean: (B, h).
        count: (B,).
        embedded: of the new transitions (B, h).
        rows: bool (B,): which rows have a new one.
    """
    count = count + rows
    step = (embedded - mean) / count.clamp_min(1)[:, None]
    return torch.where(rows[:, None], mean + step, mean), count
