"""Pessimistic proximal policy optimisation (PPPO): one pass over the environments, one policy after the other.

Source: arXiv 2503.07988, Algorithm 3. With pi_0 uniform and Q_0 = 0, for i = 1..n,

    pi_{i,h}(. | x) proportional to pi_{i-1,h}(. | x) exp( alpha Q_{i-1,h}(x, .) )
    step h of environment i keeps the trajectories tau H + h, tau = 0..floor(K / H) - 1        (data splitting)
    Q_i = PPE(D_i, pi_i)

and the output is one of pi_1..pi_n, uniformly at random. So pi_1 is uniform, and Q_n is not used.

Departures: (1) alpha = sqrt(log A / (H^2 n)) where the paper gives its order. (2) Without splitting, every step uses every
trajectory. (3) Outputs "last" and "mixture".

Dimensions: n environments, K trajectories, H horizon, S states, A actions, d features.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike

from offctx.checks import Floats, Ints, at_least
from offctx.errors import LinearError
from offctx.linear.checks import feature_map, trajectories
from offctx.linear.problem import PPEProblem
from offctx.linear.recursion import frozen
from offctx.linear.regression import Regression, StepTransitions, check_beta
from offctx.uncertainty.quantifier import UncertaintyQuantifier


@dataclass(frozen=True)
class PPPOResult:
    """The policies of PPPO, their values, and the output.

    Attributes:
        policy: the output (H, S, A).
        chosen: which of `policies` it is; None for the mixture.
        policies: pi_1..pi_n (n, H, S, A).
        q: Q_1..Q_n (n, H, S, A), each in its own environment.
        values: V_{i,1} of pi_i in environment i, (n, S).
        step_size: alpha.
    """

    policy: Floats
    chosen: int | None
    policies: Floats
    q: Floats
    values: Floats
    step_size: float


def pppo(
    states: ArrayLike,
    actions: ArrayLike,
    rewards: ArrayLike,
    features: ArrayLike,
    *,
    beta: float | str | UncertaintyQuantifier,
    seed: int,
    ridge: float = 1.0,
    step_size: float | None = None,
    split: bool = True,
    output: Literal["random", "last", "mixture"] = "random",
) -> PPPOResult:
    """PPPO over n environments, in the order given.

    Args:
        states: (n, K, H+1), integers in 0..S-1.
        actions: (n, K, H), integers in 0..A-1.
        rewards: (n, K, H), in [0, 1].
        features: (S, A, d), of norm at most 1.
        beta: the scale of `EllipticalUncertainty`, >= 0 (theory's is `beta_pppo`); or a quantifier or its name.
        seed: of the random output.
        ridge: lambda of the regression, > 0.
        step_size: alpha; sqrt(log A / (H^2 n)) where not given.
        split: each step uses trajectories of its own, as the paper has it; needs K >= H.
        output: "random": one of the policies, the paper's; "last": pi_n; "mixture": the mean of their action probabilities at
            each step and state (whose value is not the mean of their values: that is the random output's expectation).

    Raises:
        LinearError: shapes do not fit, something is ragged, empty, not finite or out of its range; the quantifier needs a
            critic; or K < H with `split`.

    Example::

        result = pppo(states, actions, rewards, features, beta=0.1, seed=0)
        result.policy  # (H, S, A)
    """
    phi = feature_map(features)
    x, a, r = trajectories(states, actions, rewards, phi.shape[:2])
    n, _, H = a.shape
    A = phi.shape[1]
    alpha = float(np.sqrt(np.log(A) / (H**2 * n))) if step_size is None else at_least(step_size, 0, "step_size")
    if output not in ("random", "last", "mixture"):
        raise LinearError(f'expected output "random", "last" or "mixture"; found {output!r}')
    data = split_by_step(x, a, r) if split else StepTransitions.whole(x, a, r)
    problem = PPEProblem.of(Regression.fit(data, phi, check_beta(beta), ridge))
    logits = torch.zeros(H, *phi.shape[:2], dtype=torch.float64)
    policies, qs, values = [], [], []
    for i in range(n):  # each policy needs the one before
        policies.append(torch.softmax(logits, dim=-1))
        result = problem.environment(i).evaluate(policies[-1])
        qs.append(result.q[0])
        values.append(result.v[0, 0])
        logits = logits + alpha * qs[-1]
    every = torch.stack(policies)
    random_turn = int(np.random.default_rng(seed).integers(n))
    chosen = {"random": random_turn, "last": n - 1, "mixture": None}[output]
    policy = every.mean(dim=0) if chosen is None else every[chosen].clone()
    return PPPOResult(frozen(policy), chosen, frozen(every), frozen(torch.stack(qs)), frozen(torch.stack(values)), alpha)


def split_by_step(states: Ints, actions: Ints, rewards: Floats) -> StepTransitions:
    """Step h (from 1) keeps trajectories tau H + h (from 1) and no others: (n, floor(K / H), H) transitions."""
    _, K, H = actions.shape
    if K < H:
        raise LinearError(f"data splitting gives each of the {H} steps trajectories of its own: expected K >= {H}; found {K}")
    step = np.arange(H)
    rows = np.arange(K // H)[:, None] * H + step
    return StepTransitions(states[:, rows, step], actions[:, rows, step], rewards[:, rows, step], states[:, rows, step + 1])
