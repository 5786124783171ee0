"""Check 2: the SL error of PERM falls as the number of training contexts grows.

Dimensions: n training contexts, K trajectories, H horizon, S states, A actions.
"""

import numpy as np
from numpy.typing import NDArray

from offctx.linear import LinearCMDP
from tools.reproduce.frame.verdicts import Threshold, Verdict, judge
from tools.reproduce.theory.average_mdp import RISKY, SAFE
from tools.reproduce.theory.check import ENVIRONMENTS_AXIS, Check, Panel
from tools.reproduce.theory.populations import best_policy, learn_perm, linear_population, uniform_policy
from tools.reproduce.theory.records import Measured, Record
from tools.reproduce.theory.sizes import Sizes
from tools.reproduce.theory.statistics import slope_interval

Floats = NDArray[np.float64]
WORST_GAP = 0.2  # times n^{-1/2}
WORST_SPREAD = 0.4
KNOWN_EXACTLY = "contexts known exactly"


def measure(seed: int, sizes: Sizes) -> list[Record]:
    """Sub-optimality of PERM with n contexts, on random and on worst-case instances."""
    rng = np.random.default_rng([2, seed])
    everyone = linear_population(rng, seed, sizes)
    records = []
    for n in sizes.environments:
        for label, policy in learned_policies(everyone.draw(n, rng), rng, seed, sizes).items():
            records.append(Record(f"random: {label}", n, float(everyone.suboptimality(policy[None])[0])))
        worst = worst_case(n, sizes.horizon, sizes.worst_states, rng)
        for label, policy in learned_policies(worst, rng, seed, sizes).items():
            records.append(Record(f"worst case: {label}", n, worst_case_suboptimality(policy, n)))
    return records


def learned_policies(train: LinearCMDP, rng: np.random.Generator, seed: int, sizes: Sizes) -> dict[str, Floats]:
    """PERM's policies (H, S, A) from contexts known exactly, by many trajectories of the uniform policy, and by fewer."""
    exact, *estimated = labels(sizes)
    policies = {exact: best_policy(train, seed, sizes).policy}
    for label, K in zip(estimated, (sizes.many_trajectories, sizes.fixed_trajectories), strict=True):
        data = train.sample(uniform_policy(train), K, rng, bernoulli=True)
        policies[label] = learn_perm(data, train, sizes.beta, seed, sizes).policy
    return policies


def labels(sizes: Sizes) -> tuple[str, ...]:
    """How well training contexts are known."""
    return KNOWN_EXACTLY, f"K = {sizes.many_trajectories}", f"K = {sizes.fixed_trajectories}"


def worst_case(n: int, H: int, S: int, rng: np.random.Generator) -> LinearCMDP:
    """n contexts drawn from the family whose gap is WORST_GAP n^{-1/2}, so that no n makes the choice of an action easier.

    SAFE pays 1/2. RISKY pays 1/2 + WORST_GAP n^{-1/2} + U(-WORST_SPREAD, WORST_SPREAD), where U is drawn for each context,
    step and state. The next state is uniform.
    """
    rewards = np.full((n, H, S, 2), 0.5)
    rewards[..., RISKY] += WORST_GAP / np.sqrt(n) + rng.uniform(-WORST_SPREAD, WORST_SPREAD, size=(n, H, S))
    return LinearCMDP.tabular(np.full((*rewards.shape, S), 1 / S), rewards.clip(0, 1), np.full(S, 1 / S))


def worst_case_suboptimality(policy: Floats, n: int) -> float:
    """Exact sub-optimality of a policy (H, S, A) over all contexts of the family: the gap wherever the policy is safe."""
    return float(WORST_GAP / np.sqrt(n) * policy[..., SAFE].mean(axis=1).sum())


def verdicts(measured: Measured, sizes: Sizes) -> list[Verdict]:
    """Slopes in n: at most -0.4 on random instances, -1/2 on the worst case."""
    judged = []
    for label in labels(sizes):
        slope = slope_interval(measured[f"random: {label}"])
        judged.append(judge(f"random instances, {label}: slope <= -0.4", slope, Threshold(at_most=-0.4)))
    for label in labels(sizes):
        slope = slope_interval(measured[f"worst case: {label}"])
        claim = f"worst-case family, {label}: slope -1/2, give or take 0.1"
        judged.append(judge(claim, slope, Threshold(at_least=-0.6, at_most=-0.4)))
    return judged


CHECK = Check(
    name="environments",
    title="2. More environments: the SL error",
    text="PERM with n training contexts. The contexts are known exactly, which leaves the SL error alone, or from K "
    "trajectories of the uniform policy in each; a small K leaves an RL error that no n removes. Random: linear contexts "
    "with the same features; the size called difference, above, says how much else differs between them. Worst case: risky "
    f"pays {WORST_GAP:g} n^{{-1/2}} more than safe on average, and the difference varies by up to {WORST_SPREAD:g} between "
    "contexts. So no n makes the choice easier, and sub-optimality can fall no faster than this gap. On random instances "
    "the gap does not depend on n, so that the error falls faster once n contexts tell the best policy apart.",
    measure=measure,
    verdicts=verdicts,
    panels=(Panel("random", ENVIRONMENTS_AXIS), Panel("worst case", ENVIRONMENTS_AXIS)),
    seconds=25.0,
)
