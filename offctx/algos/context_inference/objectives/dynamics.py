"""DMA* and DMA-Pearl: the encoder learns what the dynamics model needs to know (arXiv 2602.06550)."""

from torch import Tensor

from offctx.algos.context_inference.encoder import ContextEncoder
from offctx.algos.context_inference.losses.dynamics import pearl_dynamics_loss
from offctx.algos.context_inference.objectives.base import Objective, Sample


class DynamicsObjective(Objective):
    """The loss of the dynamics model, and with a Gaussian encoder the divergence of its latent from the prior."""

    through_dynamics = True

    def forward(self, sample: Sample, encoder: ContextEncoder) -> Tensor:
        """See `Objective`."""
        latent = sample.latent
        if latent.log_std is None:
            return sample.dynamics
        return pearl_dynamics_loss(sample.dynamics, latent.mean, latent.log_std)
