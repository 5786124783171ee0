"""Pessimistic value iteration (PEVI) on merged data: the baseline that does not tell contexts apart.

Source: arXiv 2012.15085, Algorithm 2. The recursion is PPE's with the greedy policy, on all trajectories as if they came from
one environment; by Proposition 4.1 of arXiv 2503.07988 that environment is the average MDP (`average_mdp`).

Dimensions: n environments, K trajectories, H horizon, S states, A actions, d features.
"""

from dataclasses import dataclass

import torch
from numpy.typing import ArrayLike

from offctx.checks import Floats, Ints
from offctx.linear.checks import feature_map, trajectories
from offctx.linear.recursion import backward, frozen
from offctx.linear.regression import Regression, StepTransitions, check_beta
from offctx.uncertainty.quantifier import UncertaintyQuantifier


@dataclass(frozen=True)
class PEVIResult:
    """The greedy policy and its pessimistic values in the merged environment.

    Attributes:
        policy: probabilities (H, S, A), each zero or one; of equal actions the first.
        actions: the same as actions (H, S).
        q: (H, S, A).
        v: (H+1, S).
        bonus: Gamma (H, S, A).
        weights: w (H, d).
    """

    policy: Floats
    actions: Ints
    q: Floats
    v: Floats
    bonus: Floats
    weights: Floats


def pevi(
    states: ArrayLike,
    actions: ArrayLike,
    rewards: ArrayLike,
    features: ArrayLike,
    *,
    beta: float | str | UncertaintyQuantifier,
    ridge: float = 1.0,
) -> PEVIResult:
    """PEVI on the data of all environments, merged.

    Args:
        states: (n, K, H+1), integers in 0..S-1.
        actions: (n, K, H), integers in 0..A-1.
        rewards: (n, K, H), in [0, 1].
        features: (S, A, d), of norm at most 1.
        beta: the scale of `EllipticalUncertainty`, >= 0 (theory's is `beta_pevi`); or a quantifier or its name.
        ridge: lambda of the regression, > 0.

    Raises:
        LinearError: shapes do not fit, something is ragged, empty, not finite or out of its range; or the quantifier needs a
            critic.

    Example::

        result = pevi(states, actions, rewards, features, beta=0.1)
        result.policy, result.v[0]  # the greedy policy (H, S, A); pessimistic values of the first step (S,)
    """
    phi = feature_map(features)
    x, a, r = trajectories(states, actions, rewards, phi.shape[:2])
    H = a.shape[2]
    merged = StepTransitions.whole(x.reshape(1, -1, H + 1), a.reshape(1, -1, H), r.reshape(1, -1, H))
    regression = Regression.fit(merged, phi, check_beta(beta), ridge)
    result = backward(regression.features, regression.bonus, regression.weights, None)
    best = result.q[0].argmax(dim=-1)
    policy = torch.nn.functional.one_hot(best, phi.shape[1]).to(torch.float64)
    numbers = (frozen(tensor[0]) for tensor in (result.q, result.v, regression.bonus, result.weights))
    return PEVIResult(frozen(policy), best.numpy(), *numbers)
