"""Pessimistic empirical risk minimisation (PERM): one policy for all environments, evaluated in each on its own data.

Source: arXiv 2503.07988, Algorithm 2:

    pi = argmax over pi in Pi of J(pi) = (1/n) sum_i < mu_i, V_{i,1}^pi >,   V_i^pi from PPE on D_i alone.

The paper leaves the maximisation open. Here Pi are the softmax policies (H, S, A) and their limits, and J is climbed from
several starts, all of them one batch:

1. Adam on the logits, through `PPEProblem.evaluate`.
2. Rounding to a deterministic policy. As long as no clip is active, J is linear in pi_h while the other steps are fixed
   (V_{i,h} is linear in pi_h, and J in V_{i,h}), so a best policy is deterministic, and setting pi_h to its gradient's argmax
   is an exact step of block-coordinate ascent. Sweep h = H..1 until nothing improves, taking only what improves: clips may
   be active.
3. From each start's better of the two, change single (h, x) while that improves J, exactly evaluated, the most promising by
   gradient first.
4. Several times: change a third of its actions at random, repeat 2 and 3, keep what is better (iterated local search).

J has local maxima, as finding the best one policy for several MDPs is hard. `PERMResult.restarts_disagree` tells when starts
end apart.

Dimensions: R restarts, n environments, K trajectories, H horizon, S states, A actions, d features.
"""

from dataclasses import dataclass

import torch
from numpy.typing import ArrayLike

from offctx.checks import Floats, at_least, count, probabilities
from offctx.linear.problem import PPEProblem
from offctx.linear.recursion import frozen
from offctx.linear.search import PolicySearch
from offctx.uncertainty.quantifier import UncertaintyQuantifier

_KICKS = 6


@dataclass(frozen=True)
class PERMResult:
    """The best policy of the search, and the course of the search.

    Attributes:
        policy: (H, S, A).
        value: J, the mean of `values`.
        values: the policy's pessimistic value in each environment, from the initial distribution (n,).
        trace: J of each restart along Adam's steps and after polishing: (iterations + 2, R).
        restart_values: J that each restart reached (R,).
        tolerance: how far below the best a restart may end and still agree.
    """

    policy: Floats
    value: float
    values: Floats
    trace: Floats
    restart_values: Floats
    tolerance: float

    @property
    def agreement(self) -> float:
        """The share of restarts that ended within `tolerance` of the best."""
        return float((self.restart_values >= self.value - self.tolerance).mean())

    @property
    def restarts_disagree(self) -> bool:
        """Whether some restart ended further below the best: then a better policy may have been missed."""
        return self.agreement < 1


def perm(
    states: ArrayLike,
    actions: ArrayLike,
    rewards: ArrayLike,
    features: ArrayLike,
    *,
    initial: ArrayLike,
    beta: float | str | UncertaintyQuantifier,
    seed: int,
    ridge: float = 1.0,
    restarts: int = 16,
    iterations: int = 100,
    learning_rate: float = 0.3,
    polish: bool = True,
    tolerance: float = 1e-3,
) -> PERMResult:
    """PERM on the data of n environments.

    Args:
        states: (n, K, H+1), integers in 0..S-1.
        actions: (n, K, H), integers in 0..A-1.
        rewards: (n, K, H), in [0, 1].
        features: (S, A, d), of norm at most 1.
        initial: mu, the distribution of the first state, (S,) or one for each environment (n, S).
        beta: the scale of `EllipticalUncertainty`, >= 0 (theory's is `beta_perm`); or a quantifier or its name.
        seed: of the starts.
        ridge: lambda of the regression, > 0.
        restarts, iterations, learning_rate, polish, tolerance: as in `maximise`.

    Raises:
        LinearError: shapes do not fit, something is ragged, empty, not finite or out of its range; or the quantifier needs a
            critic.

    Example::

        data = cmdp.sample(behaviour, 200, np.random.default_rng(0))
        result = perm(*data, cmdp.features, initial=cmdp.initial, beta=1.0, seed=0)
        cmdp.returns(result.policy)
    """
    problem = PPEProblem.fit(states, actions, rewards, features, beta=beta, ridge=ridge)
    return maximise(
        problem, initial, seed=seed, restarts=restarts, iterations=iterations, learning_rate=learning_rate,
        polish=polish, tolerance=tolerance,
    )  # fmt: skip


def maximise(
    problem: PPEProblem,
    initial: ArrayLike,
    *,
    seed: int,
    restarts: int = 16,
    iterations: int = 100,
    learning_rate: float = 0.3,
    polish: bool = True,
    tolerance: float = 1e-3,
) -> PERMResult:
    """The policy of the largest mean value. With `LinearCMDP.problem()` it is the oracle.

    Args:
        problem: evaluates policies.
        initial: mu, (S,) or (n, S).
        seed: of the starts: the first is uniform, the others have standard normal logits, times two.
        restarts: R.
        iterations: Adam's steps.
        learning_rate: Adam's, falling linearly to a tenth.
        polish: steps 2 to 4 above; without it, the softmax policies after Adam.
        tolerance: how far below the best a restart may end and still agree.

    Raises:
        LinearError: a setting out of range, or `initial` is no distribution.
    """
    n, H, S, A = problem.shape
    mu = torch.tensor(probabilities(initial, "initial", ((S,), (n, S))))
    R, steps = count(restarts, 1, "restarts"), count(iterations, 0, "iterations")
    rate, slack = at_least(learning_rate, 0, "learning_rate"), at_least(tolerance, 0, "tolerance")
    search = PolicySearch(problem, mu)
    generator = torch.Generator().manual_seed(count(seed, 0, "seed"))
    logits = 2 * torch.randn(R, H, S, A, generator=generator, dtype=torch.float64)
    logits[0] = 0
    policies, trace = search.adam(logits, steps, rate)
    values = trace[-1]
    if polish:
        policies, values = search.polish(policies, values)
        for _ in range(_KICKS):
            policies, values = search.kick(policies, values, generator)
    best = int(values.argmax())
    values_of_best = search.values(policies[best])
    return PERMResult(
        frozen(policies[best].clone()),
        float(values_of_best.mean()),
        frozen(values_of_best),
        frozen(torch.stack([*trace, values])),
        frozen(values),
        slack,
    )
