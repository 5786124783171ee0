"""What an encoder reads of a transition, and what is hidden from it in training.

Dimensions: G windows, K slots, o observation, a action, f features.
"""

import torch
from torch import Tensor

from offctx.data.history.windows import HistoryWindows


def transition_features(windows: HistoryWindows, action_size: int, *, rewards: bool = False) -> Tensor:
    """[s, a, s' - s], and r where asked, of every slot (G, K, f); 0 in empty slots.

    Args:
        windows: as tensors.
        action_size: a.
        rewards: whether r is among them.
    """
    actions = action_vectors(windows.actions, action_size)
    parts = [windows.observations, actions, windows.next_observations - windows.observations]
    parts += [windows.rewards] if rewards else []
    return torch.cat(parts, dim=-1).masked_fill(~windows.mask[..., None], 0.0)


def action_vectors(actions: Tensor, size: int) -> Tensor:
    """What networks read of actions (..., a): those of a box as they are; the index (..., 1) of one of a as a unit vector."""
    if actions.shape[-1] == size:
        return actions
    return (actions == torch.arange(size, device=actions.device)).to(actions.dtype)


def block_sizes(observation_size: int, action_size: int, *, rewards: bool = False) -> tuple[int, ...]:
    """The sizes of the blocks of the features; f is their sum."""
    return (observation_size, action_size, observation_size, *([1] if rewards else []))


def mask_blocks(features: Tensor, sizes: tuple[int, ...], probability: float, blank: Tensor | None = None) -> Tensor:
    """The features with blocks of a slot hidden, each with the given probability (arXiv 2602.06550, masking of the encoder).

    Args:
        features: (..., f), the blocks side by side.
        sizes: the size of each block.
        probability: of a block to be hidden.
        blank: what stands in a hidden block (f,); 0 where not given.
    """
    kept = torch.rand((*features.shape[:-1], len(sizes)), device=features.device) >= probability
    shown = kept.repeat_interleave(torch.tensor(sizes, device=features.device), dim=-1)
    return features * shown if blank is None else torch.where(shown, features, blank)


def evenly_spaced(mask: Tensor, keep: int) -> Tensor:
    """The slots (G, k) that an encoder reads when it acts: evenly spaced over the filled ones, in order of time.

    The newest transition is among them. Where fewer than k slots are filled, the first of the k are empty.

    Args:
        mask: True where a slot is filled (G, K), empty slots first.
        keep: k, at most K.
    """
    slots = mask.shape[1]
    filled = mask.sum(dim=1, keepdim=True)
    newer = torch.arange(keep - 1, -1, -1, device=mask.device)[None]  # how many kept slots are newer
    back = torch.where(filled > keep, newer * (filled - 1) // max(keep - 1, 1), newer)
    return slots - 1 - back
