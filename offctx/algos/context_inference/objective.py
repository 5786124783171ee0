"""What an encoder is trained on, by name: the loss of each method, made of the pure functions in `losses`.

Dimensions: G windows, m rows of a window, B = G m rows, o observation, d latent.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from offctx.algos.context_inference.conditioned import Condition, ConditionedNetworks
from offctx.algos.context_inference.encoder import ContextEncoder
from offctx.algos.context_inference.heads import Latent
from offctx.algos.context_inference.losses.club import CSRO_WEIGHT, bounded_log_std, club_bound, csro_loss, log_likelihood
from offctx.algos.context_inference.losses.dynamics import pearl_dynamics_loss
from offctx.algos.context_inference.losses.infonce import info_nce, noisy_outcomes, repeated, simulated_outcomes
from offctx.algos.context_inference.losses.metric import metric_loss
from offctx.algos.context_inference.losses.reconstruction import reconstruction_loss, unicorn_loss
from offctx.algos.context_inference.rows import Rows
from offctx.data.history.windows import SHOWN, HistoryWindows

EncoderLoss = Literal["dynamics", "focal", "csro", "corro", "unicorn", "gentle"]
ENCODER_LOSSES: tuple[EncoderLoss, ...] = ("dynamics", "focal", "csro", "corro", "unicorn", "gentle")
NEEDS_IDS = ("focal", "csro", "corro", "unicorn")  # these compare windows of one context with windows of others
_SINGLES = 2  # of CSRO: transitions of a window whose z the bound is computed from
_NEGATIVES, _NOISE = 4, 0.5  # of CORRO: how many a window has, and how wide the noise is in standard deviations of outcomes


class Sample(NamedTuple):
    """What a loss is computed from.

    Attributes:
        windows: G windows, as tensors.
        latent: of the windows.
        ids: of their contexts (G,); -1 where unknown.
        rows: B transitions, m for each window, side by side.
    """

    windows: HistoryWindows
    latent: Latent
    ids: Tensor
    rows: Rows


class Objective(nn.Module):
    """The loss of an encoder, with the networks that it needs beside the encoder.

    Args:
        name: one of `ENCODER_LOSSES`.
        observation_size: o.
        action_size: a.
        latent_size: d.
        width: of the hidden layers.
        csro_weight: of CSRO's penalty.
    """

    def __init__(
        self, name: EncoderLoss, observation_size: int, action_size: int, latent_size: int, width: int,
        csro_weight: float = CSRO_WEIGHT,
    ) -> None:  # fmt: skip
        super().__init__()
        self.name, self.csro_weight = name, csro_weight
        o, a, d = observation_size, action_size, latent_size
        self.decoder = ConditionedNetworks(o + a, o + 1, "concat", d, width=width) if name in ("unicorn", "gentle") else None
        self.regressor = ConditionedNetworks(o + a, 2 * d, "none", width=width) if name == "csro" else None

    def forward(self, sample: Sample, dynamics: Tensor, encoder: ContextEncoder) -> Tensor:
        """The loss that the encoder and the networks of the objective descend, a scalar.

        Args:
            sample: what it is computed from.
            dynamics: the loss of the dynamics model, a scalar.
            encoder: computes z of further windows.
        """
        latent = sample.latent
        if self.name == "dynamics":
            return dynamics if latent.log_std is None else pearl_dynamics_loss(dynamics, latent.mean, latent.log_std)
        if self.name == "corro":
            return self._contrast(sample, encoder)
        if self.name == "gentle":
            return self._reconstruct(sample)
        metric = metric_loss(latent.z, sample.ids)
        if self.name == "unicorn":
            return unicorn_loss(self._reconstruct(sample), metric)
        return self._reduce_shift(sample, metric, encoder) if self.name == "csro" else metric

    def _reconstruct(self, sample: Sample) -> Tensor:
        assert self.decoder is not None
        rows = sample.rows
        predictions = self.decoder(torch.cat([rows.observations, rows.actions], dim=-1), Condition(sample.latent.z))[0]
        return reconstruction_loss(predictions, rows.next_observations - rows.observations, rows.rewards[:, None])

    def _reduce_shift(self, sample: Sample, metric: Tensor, encoder: ContextEncoder) -> Tensor:
        """CSRO: the metric loss and the CLUB bound, and - log q(z | s, a), which trains q alone.

        The bound is on z of single transitions and their own (s, a), as in CSRO's public code: on what the encoder reads in
        (s, a). What (s, a) of another row of the context tells of z, it tells by the context.
        """
        assert self.regressor is not None
        transitions, window = _single_transitions(sample.windows, _SINGLES)
        if len(transitions) == 0:
            return metric
        z = encoder(transitions).z
        inputs = torch.cat([transitions.observations, transitions.actions], dim=-1)[:, 0]
        mean, raw = self.regressor(inputs, Condition())[0].chunk(2, dim=-1)
        log_std = bounded_log_std(raw)
        likelihood = log_likelihood(z.detach(), mean, log_std).mean()
        bound = club_bound(z, mean.detach(), log_std.detach(), sample.ids[window])
        return csro_loss(metric, bound, encoder.size, self.csro_weight) - likelihood

    def _contrast(self, sample: Sample, encoder: ContextEncoder) -> Tensor:
        """CORRO: positives are other windows of the context, negatives the same windows with other outcomes.

        The outcomes are those that `offctx.SimulatedOutcomes` simulated, where windows have them; else those seen, with noise.
        """
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


def _spread(values: Tensor, mask: Tensor) -> Tensor:
    """The standard deviation over filled slots of values (G, K, n): (n,)."""
    weights = mask[..., None].to(values.dtype)
    count = weights.sum(dim=(0, 1)).clamp_min(1)
    mean = (values * weights).sum(dim=(0, 1)) / count
    return (((values - mean) * weights).square().sum(dim=(0, 1)) / count).sqrt()
