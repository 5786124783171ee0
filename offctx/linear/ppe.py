"""Pessimistic policy evaluation (PPE): lower bounds of a policy's values in each environment, from that environment's data.

Source: arXiv 2503.07988, Algorithm 1, with the quantifier of Algorithm 4. For each environment i, with V_{i,H+1} = 0,

    (B_hat V_{i,h+1})(x, a) = phi(x, a)^T w_{i,h},   w_{i,h} the ridge regression of r + V_{i,h+1}(x')
    Q_{i,h} = clip( B_hat V_{i,h+1} - Gamma_{i,h}, 0, H - h + 1 )
    V_{i,h}(x) = < Q_{i,h}(x, .), pi_h(. | x) >

Steps h = 1..H of the paper are indices 0..H-1 here. The recursion is written once, in `backward`; what differs is where its
regression comes from: data (`ppe`, `ppe_torch`), or operators made in advance (`PPEProblem`, for many policies).

Dimensions: n environments, K trajectories, H horizon, S states, A actions, d features, B leading dimensions of policies.
"""

from typing import NamedTuple

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from offctx.checks import Floats, probabilities
from offctx.linear.checks import feature_map
from offctx.linear.problem import check_policy, fit_regression
from offctx.linear.recursion import Evaluation, backward, frozen
from offctx.uncertainty.quantifier import UncertaintyQuantifier


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


def ppe(
    states: ArrayLike,
    actions: ArrayLike,
    rewards: ArrayLike,
    policy: ArrayLike,
    features: ArrayLike,
    *,
    beta: float | str | UncertaintyQuantifier,
    ridge: float = 1.0,
) -> PPEResult:
    """Pessimistic values of a policy in n environments at once.

    Args:
        states: (n, K, H+1), integers in 0..S-1.
        actions: (n, K, H), integers in 0..A-1.
        rewards: (n, K, H), in [0, 1].
        policy: probabilities (H, S, A), or one policy for each environment (n, H, S, A).
        features: (S, A, d), of norm at most 1.
        beta: the scale of `EllipticalUncertainty`, >= 0 (theory's is `beta_perm`); or a quantifier or its name.
        ridge: lambda of the regression, > 0.

    Raises:
        LinearError: shapes do not fit, something is ragged, empty, not finite or out of its range.

    Example::

        values = ppe(states, actions, rewards, policy, features, beta=0.1)
        values.v[:, 0]  # pessimistic values of initial states in each environment (n, S)
    """
    phi = feature_map(features)
    regression = fit_regression(states, actions, rewards, phi, beta, ridge)
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
    beta: float | str | UncertaintyQuantifier,
    ridge: float = 1.0,
) -> Evaluation:
    """`ppe`, differentiable in the policy: a float64 tensor, whose rows need not be normalised.

    For many policies on the same data, make a `PPEProblem` once.

    Args:
        states: (n, K, H+1), integers in 0..S-1.
        actions: (n, K, H), integers in 0..A-1.
        rewards: (n, K, H), in [0, 1].
        policy: float64 tensor (H, S, A), or (n, H, S, A).
        features: (S, A, d), of norm at most 1.
        beta: the scale of `EllipticalUncertainty`, >= 0; or another quantifier.
        ridge: lambda of the regression, > 0.

    Returns:
        tensors q (n, H, S, A), v (n, H+1, S) and weights (n, H, d).

    Raises:
        LinearError: shapes do not fit, something is ragged, empty, not finite or out of its range.
    """
    regression = fit_regression(states, actions, rewards, feature_map(features), beta, ridge)
    check_policy(policy, tuple(regression.bonus.shape), leading=False)
    return backward(regression.features, regression.bonus, regression.weights, policy)
