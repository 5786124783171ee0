"""GENTLE (arXiv 2312.15544) and UNICORN-SS (arXiv 2402.02429): z lets a decoder predict what a transition leads to.

Dimensions: o observation, a action, d latent.
"""

import torch
from torch import Tensor

from offctx.algos.context_inference.conditioned import Condition, ConditionedNetworks
from offctx.algos.context_inference.encoder import ContextEncoder
from offctx.algos.context_inference.losses.metric import metric_loss
from offctx.algos.context_inference.losses.reconstruction import reconstruction_loss, unicorn_loss
from offctx.algos.context_inference.objectives.base import Objective, Sample


class GENTLEObjective(Objective):
    """The error of a decoder that predicts s' - s and the reward from s, a and z.

    Args:
        observation_size: o.
        action_size: a.
        latent_size: d.
        width: of the decoder's hidden layers.
    """

    def __init__(self, observation_size: int, action_size: int, latent_size: int, width: int) -> None:
        super().__init__()
        inputs, outputs = observation_size + action_size, observation_size + 1
        self.decoder = ConditionedNetworks(inputs, outputs, "concat", latent_size, width=width)

    def forward(self, sample: Sample, encoder: ContextEncoder) -> Tensor:
        """See `Objective`."""
        rows = sample.rows
        predictions = self.decoder(torch.cat([rows.observations, rows.actions], dim=-1), Condition(sample.latent.z))[0]
        return reconstruction_loss(predictions, rows.next_observations - rows.observations, rows.rewards[:, None])


class UNICORNObjective(GENTLEObjective):
    """GENTLE's reconstruction and FOCAL's metric loss."""

    def forward(self, sample: Sample, encoder: ContextEncoder) -> Tensor:
        """See `Objective`."""
        metric = metric_loss(sample.latent.z, sample.ids)
        return unicorn_loss(super().forward(sample, encoder), metric)
