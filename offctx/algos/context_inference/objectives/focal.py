"""FOCAL: windows of one context are near in z, those of others far (arXiv 2010.01112)."""

from torch import Tensor

from offctx.algos.context_inference.encoder import ContextEncoder
from offctx.algos.context_inference.losses.metric import metric_loss
from offctx.algos.context_inference.objectives.base import Objective, Sample


class FOCALObjective(Objective):
    """The metric loss of all pairs of windows."""

    def forward(self, sample: Sample, encoder: ContextEncoder) -> Tensor:
        """See `Objective`."""
        return metric_loss(sample.latent.z, sample.ids)
