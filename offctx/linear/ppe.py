"""Pessimistic policy evaluation (PPE): what a policy is worth at least, in each environment, by that environment's data.

Source: arXiv 2503.07988, Algorithm 1, with the quantifier of Algorithm 4. For each environment i, with V_{i,H+1} = 0,

    (B_hat V_{i,h+1})(x, a) = phi(x, a)^T w_{i,h},   w_{i,h} the ridge regression of r + V_{i,h+1}(x')
    Q_{i,h} = clip( B_hat V_{i,h+1} - Gamma_{i,h}, 0, H - h + 1 )
    V_{i,h}(x) = < Q_{i,h}(x, .), pi_h(. | x) >

Steps h = 1..H of the paper are indices 0..H-1 here. The recursion is written once, in `backward`; what differs is where its
regression comes from: data (`ppe`, `ppe_torch`), or operators made in advance (`PPEProblem`, for many policies).

Dimensions: n environments, K trajectories, H horizon, S states, A actions, d features, B leading dimensions of policies.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from offctx.checks import Floats, probabilities
from offctx.errors import LinearError
from offctx.linear.checks import feature_map, trajectories
from offctx.linear.regression import Regression, StepTransitions, check_beta
from offctx.uncertainty.quantifier import UncertaintyQuantifier


class Evaluation(NamedTuple):
    """What `backward` makes: tensors q (*B, n, H, S, A), v (*B, n, H+1, S) and weights (*B, n, H, d)."""

    q: Tensor
    v: Tensor
    weights: Tensor


class PPEResult(NamedTuple):
    """A policy's pessimistic values in each environment, as read-only arrays.

    Attributes:
        q: (n, H, S, A).
        v: (n, H+1, S); the last step's are zero.
        bonus: Gamma (n, H, S, A).
        weights: w (n, H, d).
    """

    q: Floats
    v: Floats
    bonus: Floats
    weights: Floats


def backward(features: Tensor, bonus: Tensor, regress: Callable[[int, Tensor], Tensor], policy: Tensor | None) -> Evaluation:
    """The recursion of PPE; greedy in place of a policy where it is None, which makes it PEVI's.

    Args:
        features: (S, A, d).
        bonus: (n, H, S, A).
        regress: from h and V_{h+1} (*B, n, S) to w_h (*B, n, d).
        policy: (*B, n or 1, H, S, A) or (H, S, A).
    """
    n, H, S, A = bonus.shape
    rows = features.flatten(0, 1).T
    lead = np.broadcast_shapes((n,), () if policy is None else tuple(policy.shape[:-3]))
    values = [torch.zeros(*lead, S, dtype=torch.float64)]
    qs, weights = [], []
    for h in reversed(range(H)):
        weights.append(regress(h, values[-1]))
        qs.append(((weights[-1] @ rows).reshape(*lead, S, A) - bonus[:, h]).clamp(0, H - h))
        values.append(qs[-1].amax(dim=-1) if policy is None else (policy[..., h, :, :] * qs[-1]).sum(dim=-1))
    stacked = (torch.stack(items[::-1], dim=len(lead)) for items in (qs, values, weights))
    return Evaluation(*stacked)


def ppe(
    states: ArrayLike,
    actions: ArrayLike,
    rewards: ArrayLike,
    policy: ArrayLike,
    features: ArrayLike,
    *,
    beta: float | UncertaintyQuantifier,
    ridge: float = 1.0,
) -> PPEResult:
    """Pessimistic values of a policy in n environments at once.

    Args:
        states: (n, K, H+1), integers in 0..S-1.
        actions: (n, K, H), integers in 0..A-1.
        rewards: (n, K, H), in [0, 1].
        policy: probabilities (H, S, A), or one policy for each environment (n, H, S, A).
        features: (S, A, d), of norm at most 1.
        beta: the scale of `EllipticalUncertainty`, >= 0 (theory's is `beta_perm`); or another quantifier.
        ridge: lambda of the regression, > 0.

    Raises:
        LinearError: shapes do not fit, something is ragged, empty, not finite or out of its range.
    """
    phi = feature_map(features)
    regression = _regression(states, actions, rewards, phi, beta, ridge)
    n, H, S, A = regression.bonus.shape
    pi = probabilities(policy, "policy", ((H, S, A), (n, H, S, A)))
    result = backward(regression.features, regression.bonus, regression.weights, torch.tensor(pi))
    return PPEResult(*(frozen(t) for t in (result.q, result.v, regression.bonus, result.weights)))


def ppe_torch(
    states: ArrayLike,
    actions: ArrayLike,
    rewards: ArrayLike,
    policy: Tensor,
    features: ArrayLike,
    *,
    beta: float | UncertaintyQuantifier,
    ridge: float = 1.0,
) -> Evaluation:
    """`ppe`, differentiable in the policy: a float64 tensor, whose rows need not be normalised.

    For many policies on the same data, make a `PPEProblem` once.
    """
    regression = _regression(states, actions, rewards, feature_map(features), beta, ridge)
    _check_policy(policy, tuple(regression.bonus.shape), leading=False)
    return backward(regression.features, regression.bonus, regression.weights, policy)


@dataclass(frozen=True, eq=False)
class PPEProblem:
    """PPE with all that does not depend on the policy made in advance: w_h = reward_weights_h + transition_weights_h V_{h+1}.

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
        beta: float | UncertaintyQuantifier,
        ridge: float = 1.0,
    ) -> "PPEProblem":
        """From data, as `ppe` takes them."""
        return cls.of(_regression(states, actions, rewards, feature_map(features), beta, ridge))

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
        _check_policy(policy, self.shape, leading=True)
        return backward(self.features, self.bonus, self._regress, policy)

    def greedy(self) -> Evaluation:
        """Pessimistic value iteration in each environment alone."""
        return backward(self.features, self.bonus, self._regress, None)

    def _regress(self, h: int, values: Tensor) -> Tensor:
        return self.reward_weights[:, h] + torch.einsum("nds,...ns->...nd", self.transition_weights[:, h], values)


def _regression(
    states: ArrayLike,
    actions: ArrayLike,
    rewards: ArrayLike,
    features: Floats,
    beta: float | UncertaintyQuantifier,
    ridge: float,
) -> Regression:
    data = StepTransitions.whole(*trajectories(states, actions, rewards, features.shape[:2]))
    return Regression.fit(data, features, check_beta(beta), ridge)


def _check_policy(policy: Tensor, shape: tuple[Any, ...], *, leading: bool) -> None:
    n, H, S, A = shape
    fits = policy.shape[-3:] == (H, S, A) and (policy.ndim == 3 or policy.shape[-4] in (1, n))
    if not fits or policy.dtype != torch.float64 or (policy.ndim > 4 and not leading):
        raise LinearError(
            f"expected a float64 policy of shape {(H, S, A)} or {(n, H, S, A)}{', or with more before it' if leading else ''}; "
            f"found {policy.dtype} {tuple(policy.shape)}"
        )


def frozen(tensor: Tensor) -> Floats:
    """A tensor's numbers as a read-only array."""
    array: Floats = tensor.detach().numpy().astype(np.float64, copy=False)
    array.flags.writeable = False
    return array
