"""Inference of contexts: an encoder, a dynamics model that is told z, and the hypernetwork that both learn through.

An update of DMA*-SH (arXiv 2602.06550):

    z = encoder(window), theta = hypernetwork(z), prediction = dynamics(s, a; theta)
    loss = mean ( prediction - (s' - s) / spread )^2, which encoder, hypernetwork and dynamics model descend

where the paper has no spread.

Policy and critics then get z and theta detached. With another loss of the encoder (`objectives`), the dynamics model and the
hypernetwork learn from z detached.

Dimensions: G windows, m rows of a window, B = G m rows, o observation, d latent.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from d3rlpy.optimizers.optimizers import OptimizerFactory
from torch import Tensor, nn

from offctx.algos.context_inference.conditioned import Condition
from offctx.algos.context_inference.encoder import ContextEncoder
from offctx.algos.context_inference.hypernetwork import Hypernetwork
from offctx.algos.context_inference.losses.club import CSRO_WEIGHT
from offctx.algos.context_inference.losses.dynamics import dynamics_loss
from offctx.algos.context_inference.objectives.base import Sample
from offctx.algos.context_inference.objectives.names import EncoderLoss, make_objective
from offctx.algos.context_inference.rows import NetworkShapes, Rows
from offctx.algos.shared.networks import make_optimiser, minimise
from offctx.data.history.windows import HistoryWindows


class ContextInference(nn.Module):
    """Encoder, dynamics model and, where networks share adapters, their hypernetwork.

    Args:
        encoder: of windows.
        shapes: of the networks that are told z.
        loss: what the encoder learns from.
        factory: of the optimiser.
        rate: the learning rate.
        device: where the modules live.
        csro_weight: of the penalty of loss="csro".
    """

    def __init__(
        self, encoder: ContextEncoder, shapes: NetworkShapes, loss: EncoderLoss, factory: OptimizerFactory, rate: float,
        device: str, *, csro_weight: float = CSRO_WEIGHT,
    ) -> None:  # fmt: skip
        super().__init__()
        o, a = shapes.observation_size, shapes.action_size
        self.encoder, self.dynamics = encoder, shapes.make(o + a, o)
        self.hypernetwork: Hypernetwork | None = None
        if shapes.use == "shared":
            self.hypernetwork = Hypernetwork(encoder.size, shapes.width, shapes.bottleneck, identity=shapes.identity)
        self.objective = make_objective(loss, o, a, encoder.size, shapes.width, csro_weight)
        self.to(device)
        self.optimiser = make_optimiser(factory, [("inference", self)], rate)

    def learn(self, windows: HistoryWindows, ids: Tensor, rows: Rows) -> tuple[Condition, dict[str, Tensor]]:
        """One update.

        Args:
            windows: G windows, as tensors.
            ids: of their contexts (G,).
            rows: B transitions, m for each window, side by side; none of them is in its window.

        Returns:
            What was known of the contexts before the update, detached; and the losses.
        """
        self.encoder.update_scale(windows)
        rows = self._with_scaled_changes(rows)
        latent = self.encoder(windows)
        through_dynamics = self.objective.through_dynamics
        condition = self.of_latent(latent.z if through_dynamics else latent.z.detach())
        predictions = self.dynamics(torch.cat([rows.observations, rows.actions], dim=-1), condition)[0]
        dynamics = dynamics_loss(predictions, rows.observations, rows.next_observations)
        loss = self.objective(Sample(windows, latent, ids, rows, dynamics), self.encoder)
        minimise(self.optimiser, loss if through_dynamics else loss + dynamics)
        return condition.detach(), {"dynamics_loss": dynamics.detach(), "encoder_loss": loss.detach()}

    @contextmanager
    def taught_by_policy(self, condition: Condition) -> Iterator[Condition]:
        """Within, a condition whose adapters a loss can train; the hypernetwork takes its step at the end. z stays as it is.

        With the policy's gradient in the shared hypernetwork, returns fall to about zero (arXiv 2602.06550): for comparison.
        """
        assert condition.z is not None
        self.optimiser.optim.zero_grad()
        yield self.of_latent(condition.z)
        self.optimiser.step()

    def _with_scaled_changes(self, rows: Rows) -> Rows:
        """The transitions with s' - s over its spread, which losses predict: no coordinate drowns the others."""
        changes = (rows.next_observations - rows.observations) / self.encoder.change_spread
        return rows._replace(next_observations=rows.observations + changes)

    def of_latent(self, z: Tensor) -> Condition:
        """What networks are told where z (G, d) is known."""
        return Condition(z, None if self.hypernetwork is None else self.hypernetwork(z))
