"""The interface of objectives, and what they are computed from.

Dimensions: G windows, m rows of a window, B = G m rows.
"""

from typing import ClassVar, NamedTuple

from torch import Tensor, nn

from offctx.algos.context_inference.encoder import ContextEncoder
from offctx.algos.context_inference.heads import Latent
from offctx.algos.context_inference.rows import Rows
from offctx.data.history.windows import HistoryWindows


class Sample(NamedTuple):
    """What an objective is computed from.

    Attributes:
        windows: G windows, as tensors.
        latent: of the windows.
        ids: of their contexts (G,); -1 where unknown.
        rows: B transitions, m for each window, side by side.
        dynamics: the loss of the dynamics model on these rows, a scalar.
    """

    windows: HistoryWindows
    latent: Latent
    ids: Tensor
    rows: Rows
    dynamics: Tensor


class Objective(nn.Module):
    """The loss of an encoder, with the networks that it needs beside the encoder.

    Attributes:
        through_dynamics: whether the encoder learns through the dynamics model; else the model gets z detached.
    """

    through_dynamics: ClassVar[bool] = False

    def forward(self, sample: Sample, encoder: ContextEncoder) -> Tensor:
        """The loss that the encoder and the networks of the objective descend, a scalar.

        Args:
            sample: what it is computed from.
            encoder: computes z of further windows.
        """
        raise NotImplementedError
