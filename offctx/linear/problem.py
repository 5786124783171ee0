"""PPE of many policies on the same data: all that does not depend on the policy is computed once.

    w_h = u_h + M_h V_{h+1}        u: reward_weights, M: transition_weights

Dimensions: n environments, H horizon, S states, A actions, d features, B leading dimensions of policies.
"""

from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from offctx.checks import Floats
from offctx.errors import LinearError
from offctx.linear.checks import feature_map, trajectories
from offctx.linear.recursion import Evaluation, backward
from offctx.linear.regression import Regression, StepTransitions, check_beta
from offctx.uncertainty.quantifier import UncertaintyQuantifier


@dataclass(frozen=True, eq=False)
class PPEProblem:
    """PPE, all that does not depend on the policy computed in advance: w_h = reward_weights_h + transition_weights_h V_{h+1}.

    With the true weights of linear MDPs and no bonus it is exact evaluation (`LinearCMDP.problem`).

    Attributes:
        features: (S, A, d).
        bonus: Gamma (n, H, S, A).
        reward_weights: (n, H, d).
        transition_weights: (n, H, d, S).
    """

    features: Tensor
    bonus: Tensor
    reward_weights: Tensor
    transition_weights: Tensor

    @classmethod
    def fit(
        cls,
        states: ArrayLike,
        actions: ArrayLike,
        rewards: ArrayLike,
        features: ArrayLike,
        *,
        beta: float | str | UncertaintyQuantifier,
        ridge: float = 1.0,
    ) -> "PPEProblem":
        """From data, as `ppe` takes them."""
        return cls.of(fit_regression(states, actions, rewards, feature_map(features), beta, ridge))

    @classmethod
    def of(cls, regression: Regression) -> "PPEProblem":
        """From regressions."""
        return cls(regression.features, regression.bonus, *regression.operators)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """n, H, S, A."""
        n, H, S, A = self.bonus.shape
        return n, H, S, A

    def environment(self, i: int) -> "PPEProblem":
        """The problem of environment i alone."""
        one = slice(i, i + 1)
        return PPEProblem(self.features, self.bonus[one], self.reward_weights[one], self.transition_weights[one])

    def evaluate(self, policy: Tensor) -> Evaluation:
        """Values of policies (*B, n or 1, H, S, A) or (H, S, A), differentiable in them."""
        check_policy(policy, self.shape, leading=True)
        return backward(self.features, self.bonus, self._regress, policy)

    def greedy(self) -> Evaluation:
        """Pessimistic value iteration in each environment alone."""
        return backward(self.features, self.bonus, self._regress, None)

    def _regress(self, h: int, values: Tensor) -> Tensor:
        return self.reward_weights[:, h] + torch.einsum("nds,...ns->...nd", self.transition_weights[:, h], values)


def fit_regression(
    states: ArrayLike,
    actions: ArrayLike,
    rewards: ArrayLike,
    features: Floats,
    beta: float | str | UncertaintyQuantifier,
    ridge: float,
) -> Regression:
    data = StepTransitions.whole(*trajectories(states, actions, rewards, features.shape[:2]))
    return Regression.fit(data, features, check_beta(beta), ridge)


def check_policy(policy: Tensor, shape: tuple[Any, ...], *, leading: bool) -> None:
    n, H, S, A = shape
    fits = policy.shape[-3:] == (H, S, A) and (policy.ndim == 3 or policy.shape[-4] in (1, n))
    if not fits or policy.dtype != torch.float64 or (policy.ndim > 4 and not leading):
        raise LinearError(
            f"expected a float64 policy of shape {(H, S, A)} or {(n, H, S, A)}{', or with more before it' if leading else ''}; "
            f"found {policy.dtype} {tuple(policy.shape)}"
        )
