"""CORRO: z of windows of one context, told apart from z of the same windows with other outcomes (arXiv 2206.10442).

Dimensions: G windows of K slots.
"""

import torch
from torch import Tensor

from offctx.algos.context_inference.encoder import ContextEncoder
from offctx.algos.context_inference.losses.infonce import info_nce, noisy_outcomes, repeated, simulated_outcomes
from offctx.algos.context_inference.objectives.base import Objective, Sample

_NEGATIVES, _NOISE = 4, 0.5  # how many a window has, and how wide the noise is in standard deviations of outcomes


class CORROObjective(Objective):
    """InfoNCE: positives are other windows of the context, negatives the same windows with other outcomes.

    The outcomes are those that `offctx.SimulatedOutcomes` simulated, where windows have them; else those seen, with noise.
    """

    def forward(self, sample: Sample, encoder: ContextEncoder) -> Tensor:
        """See `Objective`."""
        windows, z = sample.windows, sample.latent.z
        same = (sample.ids[:, None] == sample.ids[None]) & ~torch.eye(len(z), dtype=torch.bool, device=z.device)
        paired = same.any(dim=1)  # windows whose context has another window in the batch
        partner = torch.where(same, torch.rand(same.shape, device=z.device), -1.0).argmax(dim=1)
        if windows.simulated_rewards is None:
            changes = windows.next_observations - windows.observations
            scale, reward_scale = _spread(changes, windows.mask), _spread(windows.rewards, windows.mask)
            negatives = noisy_outcomes(repeated(windows, _NEGATIVES), _NOISE * scale, _NOISE * reward_scale)
        else:
            negatives = simulated_outcomes(windows)
        losses = info_nce(z, z[partner], encoder(negatives).z.view(len(z), -1, z.shape[1]))
        return (losses * paired).sum() / paired.sum().clamp_min(1)


def _spread(values: Tensor, mask: Tensor) -> Tensor:
    """The standard deviation over filled slots of values (G, K, n): (n,)."""
    weights = mask[..., None].to(values.dtype)
    count = weights.sum(dim=(0, 1)).clamp_min(1)
    mean = (values * weights).sum(dim=(0, 1)) / count
    return (((values - mean) * weights).square().sum(dim=(0, 1)) / count).sqrt()
