"""CSRO: FOCAL's metric loss, and less in z of what behaviour alone tells (arXiv 2311.03695).

Dimensions: G windows of K slots, N single transitions, o observation, a action, d latent.
"""

import torch
from torch import Tensor

from offctx.algos.context_inference.conditioned import Condition, ConditionedNetworks
from offctx.algos.context_inference.encoder import ContextEncoder
from offctx.algos.context_inference.features import action_vectors
from offctx.algos.context_inference.losses.club import bounded_log_std, club_bound, csro_loss, log_likelihood
from offctx.algos.context_inference.losses.metric import metric_loss
from offctx.algos.context_inference.objectives.base import Objective, Sample
from offctx.data.history.windows import SHOWN, HistoryWindows

_SINGLES = 2  # transitions of a window whose z the bound is computed from


class CSROObjective(Objective):
    """The metric loss and the CLUB bound, and - log q(z | s, a), which trains q alone.

    The bound is on z of single transitions and their own (s, a), as in CSRO's public code: on what the encoder reads in
    (s, a). What (s, a) of another row of the context tells of z, it tells by the context.

    Args:
        observation_size: o.
        action_size: a.
        latent_size: d.
        width: of q's hidden layers.
        weight: of the bound.
    """

    def __init__(self, observation_size: int, action_size: int, latent_size: int, width: int, weight: float) -> None:
        super().__init__()
        self.weight = weight
        self.regressor = ConditionedNetworks(observation_size + action_size, 2 * latent_size, "none", width=width)

    def forward(self, sample: Sample, encoder: ContextEncoder) -> Tensor:
        """See `Objective`."""
        metric = metric_loss(sample.latent.z, sample.ids)
        transitions, window = _single_transitions(sample.windows, _SINGLES)
        if len(transitions) == 0:
            return metric
        z = encoder(transitions).z
        actions = action_vectors(transitions.actions, encoder.blocks[1])
        inputs = torch.cat([transitions.observations, actions], dim=-1)[:, 0]
        mean, raw = self.regressor(inputs, Condition())[0].chunk(2, dim=-1)
        log_std = bounded_log_std(raw)
        likelihood = log_likelihood(z.detach(), mean, log_std).mean()
        bound = club_bound(z, mean.detach(), log_std.detach(), sample.ids[window])
        return csro_loss(metric, bound, encoder.size, self.weight) - likelihood


def _single_transitions(windows: HistoryWindows, most: int) -> tuple[HistoryWindows, Tensor]:
    """Windows (N, 1, ...) of one transition each, drawn from the filled slots of windows; and which window it is from (N,).

    Args:
        windows: G windows of K slots, as tensors.
        most: how many are drawn of a window; fewer where it has fewer.
    """
    mask = windows.mask
    order = torch.where(mask, torch.rand(mask.shape, device=mask.device), -1.0)
    slots = order.topk(min(most, mask.shape[1]), dim=1).indices
    window = torch.arange(len(mask), device=mask.device)[:, None].expand_as(slots)
    filled = mask[window, slots]
    window, slots = window[filled], slots[filled]
    columns = {name: getattr(windows, name)[window, slots][:, None] for name in SHOWN}
    number = torch.arange(len(window), device=mask.device)
    return HistoryWindows(**columns, mask=mask[window, slots][:, None], window_of_row=number), window
