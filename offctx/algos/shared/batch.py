"""A batch on the device, flat and packed by group."""

from dataclasses import dataclass

from d3rlpy.torch_utility import TorchMiniBatch
from torch import Tensor

from offctx.algos.shared.layout import Layout
from offctx.algos.shared.membership import Membership
from offctx.errors import AlgorithmError

_TOLERANCE = 1e-4  # by how much, as a share of their range, rewards may miss their bounds


@dataclass(frozen=True)
class ContextualBatch:
    """A batch on the device, flat and packed by group.

    Attributes:
        flat: as d3rlpy has it, rows (B, ...).
        layout: where each row lies in the packed tensors.
        observations, actions, next_observations: packed (n, m, ...).
        rewards, terminals, discounts: (B,).
        weights: of the policy's loss (B,): their sum over a batch is the unweighted mean over contexts.
    """

    flat: TorchMiniBatch
    layout: Layout
    observations: Tensor
    actions: Tensor
    next_observations: Tensor
    rewards: Tensor
    terminals: Tensor
    discounts: Tensor
    weights: Tensor

    @classmethod
    def of(
        cls, batch: TorchMiniBatch, membership: Membership, gamma: float, reward_bounds: tuple[float, float] | None
    ) -> "ContextualBatch":
        """Lay out a batch.

        Raises:
            AlgorithmError: context ids missing or never seen; rewards out of their bounds.
        """
        contexts, groups = membership.of(batch.numpy_batch)
        size = len(batch.rewards)
        layout = Layout.of(groups, membership.groups, size, batch.device)
        check_rewards(batch.rewards, reward_bounds)
        return cls(
            batch,
            layout,
            layout.pack(batch.observations),
            layout.pack(batch.actions),
            layout.pack(batch.next_observations),
            batch.rewards[:, 0],
            batch.terminals[:, 0],
            (gamma**batch.intervals)[:, 0],
            membership.weigh(contexts, size),
        )

    def sum_of_means(self, losses: Tensor) -> Tensor:
        """The sum over groups of the mean loss in each: what n separate learners would minimise; losses (B,)."""
        return (losses / self.layout.counts).sum()


def check_rewards(rewards: Tensor, bounds: tuple[float, float] | None) -> None:
    """That rewards lie within their bounds, up to rounding."""
    if bounds is None or not rewards.numel():
        return
    slack = _TOLERANCE * (bounds[1] - bounds[0])
    least, most = float(rewards.min()), float(rewards.max())
    if least < bounds[0] - slack or most > bounds[1] + slack:
        raise AlgorithmError(
            f"expected rewards within reward_bounds, as the learner sees them {bounds[0]:g} to {bounds[1]:g}; found {least:g} "
            f"to {most:g}"
        )
