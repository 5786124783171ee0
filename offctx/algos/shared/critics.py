"""Pessimistic critics, one set for each group of contexts, and what continuous and discrete actions make of them.

A critic is judged by the quantifier of its group, as pessimistic policy evaluation is (arXiv 2503.07988, Algorithm 1):

    Q_i(s, a) = clip( Q_hat_i(s, a) - Gamma_i(s, a), lowest, highest )

Dimensions: n groups, k members, m slots of a group, B batch, A discrete actions, h features of a critic.
"""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn

from offctx.algos.shared.stacked import Critic, Stacked
from offctx.algos.shared.uncertainty import Uncertainty


class Judgement(NamedTuple):
    """What the critics say of packed observations.

    Attributes:
        values: pessimistic values, of the given actions (n, m), or of all discrete ones (n, m, A).
        members: each member's own estimate, (k, n, m) or (k, n, m, A).
        features: the first member's penultimate layer (n, m, h).
    """

    values: Tensor
    members: Tensor
    features: Tensor


class PessimisticCritics(nn.Module):
    """Critics, their slowly moving targets, and a quantifier.

    Args:
        make: makes one critic.
        groups: n.
        members: k.
        uncertainty: Gamma.
        bounds: lowest and highest value.
        discrete: whether actions are; the critics then have a value for each.
    """

    def __init__(
        self,
        make: Callable[[], Critic],
        groups: int,
        members: int,
        uncertainty: Uncertainty,
        bounds: tuple[float, float] | None,
        discrete: bool,
    ) -> None:
        super().__init__()
        self.online = Stacked(make, groups, members)
        self.target = Stacked(make, groups, members)
        self.target.track(self.online, 1.0)
        self.uncertainty, self.bounds, self.discrete = uncertainty, bounds, discrete

    def judge(
        self, observations: Tensor, actions: Tensor | None = None, *, target: bool = False, frozen: bool = False
    ) -> Judgement:
        """Judge packed observations (n, m, o) and continuous actions (n, m, a), or all discrete actions where None.

        Args:
            observations, actions: packed.
            target: by the target critics.
            frozen: gradients reach the actions only.
        """
        inputs = (observations,) if actions is None else (observations, actions)
        values, features = (self.target if target else self.online)(*inputs, frozen=frozen)
        members = values if actions is None else values.squeeze(-1)
        pooled = self.uncertainty.pessimistic(members, observations, actions, features[0])
        if self.bounds is not None:
            pooled = pooled.clamp(*self.bounds)
        return Judgement(pooled, members, features[0])

    def observe(self, observations: Tensor, actions: Tensor, features: Tensor, mask: Tensor) -> None:
        """Show the quantifier a packed batch (n, m, ...)."""
        self.uncertainty.observe(observations, self._given(actions), features, mask)

    def prepare(self, observations: Tensor, actions: Tensor, groups: Tensor) -> None:
        """Show the quantifier all data (N, ...), before training."""
        self.uncertainty.prepare(observations, self._given(actions), groups)

    def _given(self, actions: Tensor) -> Tensor:
        """d3rlpy has discrete actions as a column of floats."""
        return actions[..., 0].long() if self.discrete else actions
