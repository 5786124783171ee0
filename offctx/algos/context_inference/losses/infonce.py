"""InfoNCE, the contrastive loss of CORRO, and its negatives: by noise, or simulated.

Dimensions: W windows, K slots, n negatives, d latent.
"""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from offctx.data.history.windows import SHOWN, HistoryWindows


def info_nce(z: Tensor, positives: Tensor, negatives: Tensor, temperature: float = 0.1) -> Tensor:
    """- log( e^{s(z, z+)} / ( e^{s(z, z+)} + sum_k e^{s(z, z-_k)} ) ), s the cosine over the temperature.

    CORRO (arXiv 2206.10442): z+ is of another window of the same context; z-_k are of the same (s, a) with other outcomes.

    Args:
        z: (W, d).
        positives: (W, d).
        negatives: (W, n, d).
        temperature: of the softmax.

    Returns:
        (W,).
    """
    near = functional.cosine_similarity(z, positives, dim=-1)[:, None]
    far = functional.cosine_similarity(z[:, None], negatives, dim=-1)
    return -(torch.cat([near, far], dim=1) / temperature).log_softmax(dim=1)[:, 0]


def repeated(windows: HistoryWindows, n: int) -> HistoryWindows:
    """Each of W windows n times, side by side: W n windows, without simulated outcomes."""
    columns = {name: getattr(windows, name).repeat_interleave(n, dim=0) for name in (*SHOWN, "mask")}
    return HistoryWindows(**columns, window_of_row=None)


def simulated_outcomes(windows: HistoryWindows) -> HistoryWindows:
    """The windows with outcomes simulated in other contexts: CORRO's negatives by the true generator, which is privileged.

    Args:
        windows: W windows, as tensors, with outcomes in n other contexts, as `offctx.SimulatedOutcomes` adds them.

    Returns:
        W n windows, those of a window side by side.
    """
    simulated = (windows.simulated_next_observations, windows.simulated_rewards)
    next_observations, rewards = (column.transpose(1, 2).flatten(0, 1) for column in simulated)
    others = repeated(windows, windows.simulated_rewards.shape[2])
    return replace(others, next_observations=next_observations, rewards=rewards)


def noisy_outcomes(windows: HistoryWindows, scale: Tensor, reward_scale: Tensor) -> HistoryWindows:
    """The windows with Gaussian noise on next observations and rewards: CORRO's negatives by reward randomisation.

    (s, a) stay as they are. One draw serves all slots of a window, so that the window is of one other context.

    Args:
        windows: W windows, as tensors.
        scale: the standard deviation of the noise on each observation (o,).
        reward_scale: the same for rewards (1,).
    """
    count, device = len(windows.mask), windows.mask.device
    noise = torch.randn((count, 1, len(scale)), device=device) * scale
    rewards = torch.randn((count, 1, 1), device=device) * reward_scale
    return replace(windows, next_observations=windows.next_observations + noise, rewards=windows.rewards + rewards)
