"""The recurrent and the set part of an encoder: from the features of a window to one vector.

Both read any number of slots, ignore empty ones wherever they are, and give the vector of a window without any transition.

Dimensions: W windows, K slots, f features of a transition, h hidden.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from offctx.algos.context_inference.normalisation import AvgL1Norm
from offctx.algos.context_inference.scale import FeatureScale

_PRIOR = 0.1  # c: where all weights are far below it, the mean is 0, as that of no transition


class LSTMTrunk(nn.Module):
    """An LSTM over the filled slots in their order (arXiv 2602.06550): embedding without bias, AvgL1Norm, last hidden state.

    Args:
        scale: of the f features.
        size: h, of the embedding and of the LSTM.
    """

    def __init__(self, scale: FeatureScale, size: int = 32) -> None:
        super().__init__()
        self.size, self.scale = size, scale
        self.embed = nn.Sequential(nn.Linear(len(scale.mean), size, bias=False), AvgL1Norm())
        self.lstm = nn.LSTM(size, size, batch_first=True)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        # The filled slots come first, so that no step over an empty slot precedes the state that is read.
        order = _filled_first(mask)
        states, _ = self.lstm(self.embed(self.scale(features)).gather(1, order[..., None].expand(-1, -1, self.size)))
        count = mask.sum(dim=1)
        last = states.gather(1, (count - 1).clamp_min(0)[:, None, None].expand(-1, 1, self.size))[:, 0]
        state: Tensor = last * (count > 0)[:, None]
        return state


def _filled_first(mask: Tensor) -> Tensor:
    """The slots (W, K) with the filled ones first, each kind in its order: a stable sort, by operations that ONNX has."""
    filled, empty = mask.long(), (~mask).long()
    places = torch.where(mask, filled.cumsum(1) - 1, filled.sum(1, keepdim=True) + empty.cumsum(1) - 1)
    slots = torch.arange(mask.shape[1], device=mask.device).expand_as(places)
    return torch.zeros_like(places).scatter(1, places, slots)


class SetTrunk(nn.Module):
    """A weighted mean over filled slots of an embedding of each (a deep set, arXiv 1703.06114): their order has no effect.

        x = sum_i w_i e_i / (c K + sum_i w_i),   e_i and w_i > 0 of the transition in slot i, K filled slots

    Each coordinate has weights of its own, as in a product of Gaussian factors (PEARL, arXiv 1903.08254). Transitions that say
    nothing of the context, such as those of an agent that rests at its goal, get small weights: in a plain mean, many of them
    hide the few that say something.

    A mean of any number of transitions is updated by one more transition at constant cost: `embed` gives [w e, w], whose plain
    mean `from_mean` reads.

    Args:
        scale: of the f features.
        size: h, twice the size of e.
    """

    def __init__(self, scale: FeatureScale, size: int = 128) -> None:
        super().__init__()
        self.size, self.scale = size, scale
        half = size // 2
        self.first = nn.Sequential(nn.Linear(len(scale.mean), half), nn.ReLU(), nn.Linear(half, half), nn.ReLU())
        self.values, self.weights = nn.Linear(half, half), nn.Linear(half, half)
        self.second = nn.Sequential(AvgL1Norm(), nn.Linear(half, size), nn.ReLU())

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        weights = mask.to(features.dtype)[..., None]
        return self.from_mean((self.embed(features) * weights).sum(dim=1) / weights.sum(dim=1).clamp_min(1.0))

    def embed(self, features: Tensor) -> Tensor:
        """What is averaged: (..., h) of features (..., f)."""
        hidden = self.first(self.scale(features))
        weights = functional.softplus(self.weights(hidden))
        return torch.cat([weights * self.values(hidden), weights], dim=-1)

    def from_mean(self, mean: Tensor) -> Tensor:
        """(..., h) of the mean of embeddings (..., h); 0 where there is none."""
        weighted, weights = mean.chunk(2, dim=-1)
        result: Tensor = self.second(weighted / (weights + _PRIOR))
        return result


def make_trunk(kind: str, scale: FeatureScale) -> LSTMTrunk | SetTrunk:
    """A trunk by its name: "lstm" or "set"."""
    return LSTMTrunk(scale) if kind == "lstm" else SetTrunk(scale)


def running_mean(mean: Tensor, count: Tensor, embedded: Tensor) -> tuple[Tensor, Tensor]:
    """The mean and the number of embeddings after one more in each row.

    Args:
        mean: (B, h).
        count: (B,).
        embedded: of the new transitions (B, h).
    """
    count = count + 1
    return mean + (embedded - mean) / count[:, None], count
