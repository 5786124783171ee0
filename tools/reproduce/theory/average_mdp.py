"""Check 1: merged data are those of an average MDP, and PEVI on them tends to that MDP's optimum.

Dimensions: n contexts, K trajectories, H horizon, S states, A actions.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offctx.linear import LinearCMDP, average_mdp, pevi
from tools.reproduce.frame.verdicts import Threshold, Verdict, judge
from tools.reproduce.theory.check import TRAJECTORIES_AXIS, Check, Panel
from tools.reproduce.theory.goodness_of_fit import goodness_of_fit, p_value
from tools.reproduce.theory.populations import Population, learn_perm, mixed_with_uniform, population
from tools.reproduce.theory.records import Measured, Record, series_of
from tools.reproduce.theory.sizes import Sizes
from tools.reproduce.theory.statistics import mean_interval

Floats = NDArray[np.float64]
RISKY, SAFE = 0, 1
PEVI_NAME, PERM_NAME, LIMIT_NAME = "PEVI, merged", "PERM", "optimum of the average MDP"
MERGED_GROUPS = ("two contexts", "random, erratic behaviour", "random, own experts")
FIT_GROUPS = ("fit, two contexts", "fit, random")


def fork(H: int) -> tuple[LinearCMDP, Floats]:
    """Two contexts in which the risky action is better on average, but looks worse in merged data.

    RISKY pays 1 in context A and 0 in context B. SAFE pays 0.3 in both. The behaviour takes RISKY with probability 0.1 in
    A and 0.9 in B.

    Returns:
        The contexts, and the behaviour (2, H, 1, 2) in each.
    """
    rewards = np.full((2, H, 1, 2), 0.3)
    rewards[0, ..., RISKY], rewards[1, ..., RISKY] = 1.0, 0.0
    behaviour = np.empty_like(rewards)
    behaviour[0, ..., RISKY], behaviour[1, ..., RISKY] = 0.1, 0.9
    behaviour[..., SAFE] = 1 - behaviour[..., RISKY]
    return LinearCMDP.tabular(np.ones((*rewards.shape, 1)), rewards, initial=[1.0]), behaviour


@dataclass(frozen=True)
class Setting:
    """Training contexts, what was done in them, and all contexts that a policy is scored on.

    Attributes:
        group: of the records.
        everyone: all contexts.
        train: training contexts.
        behaviour: policies (n, H, S, A) of the data.
    """

    group: str
    everyone: Population
    train: LinearCMDP
    behaviour: Floats


def measure(seed: int, sizes: Sizes) -> list[Record]:
    """PEVI on merged data and PERM on separated data as K grows, in three settings; and two goodness-of-fit tests."""
    rng = np.random.default_rng([1, seed])
    two, behaviour = fork(sizes.horizon)
    records = compare(Setting("two contexts", population(two, seed, sizes), two, behaviour), rng, seed, sizes)
    S, A, H = sizes.states, sizes.actions, sizes.horizon
    everyone = population(LinearCMDP.random_tabular(sizes.population, S, A, H, rng, difference=sizes.difference), seed, sizes)
    train = everyone.draw(2 * sizes.fixed_environments, rng)
    erratic = rng.dirichlet(np.full(A, 0.5), size=train.shape[:3])
    records += compare(Setting("random, erratic behaviour", everyone, train, erratic), rng, seed, sizes)
    experts = mixed_with_uniform(train.optimal().policy, 0.3)
    records += compare(Setting("random, own experts", everyone, train, experts), rng, seed, sizes)
    records += goodness_of_fit("fit, two contexts", two, behaviour, sizes.samples, rng)
    pair = LinearCMDP.random_tabular(2, S, A, H, rng, concentration=2.0)
    varied = rng.dirichlet(np.full(A, 2.0), size=pair.shape[:3])
    return records + goodness_of_fit("fit, random", pair, varied, sizes.samples, rng)


def compare(setting: Setting, rng: np.random.Generator, seed: int, sizes: Sizes) -> list[Record]:
    """Sub-optimality of PEVI, of PERM and of the average MDP's optimum, and the difference PEVI - PERM."""
    train, group = setting.train, setting.group
    limit = average_mdp(train, setting.behaviour).mdp.optimal().policy[0]
    records = []
    for K in sizes.trajectories:
        data = train.sample(setting.behaviour, K, rng, bernoulli=True)
        merged = pevi(*data, train.features, beta=sizes.beta).policy
        separate = learn_perm(data, train, sizes.beta, seed, sizes).policy
        values = setting.everyone.suboptimality(np.stack([merged, separate, limit]))
        records += [
            Record(f"{group}: {name}", K, float(value))
            for name, value in zip((PEVI_NAME, PERM_NAME, LIMIT_NAME), values, strict=True)
        ]
        records.append(Record(f"{group}: gap", K, float(values[0] - values[1])))
    return records


def verdicts(measured: Measured, sizes: Sizes) -> list[Verdict]:
    """The gap is above 0 at the largest K; merged data fit the average MDP and neither context's own MDP."""
    K = max(sizes.trajectories)
    gaps = {group: mean_interval(measured[f"{group}: gap"][K]) for group in MERGED_GROUPS}
    judged = [judge(f"{group}: PERM - merged PEVI > 0 at K = {K}", gap, Threshold(above=0)) for group, gap in gaps.items()]
    return judged + [verdict for group in FIT_GROUPS for verdict in fit_verdicts(measured, group, sizes.samples)]


def fit_verdicts(measured: Measured, group: str, samples: int) -> list[Verdict]:
    """Of one goodness-of-fit test: all seeds together accept the average MDP, each seed rejects the other two."""
    of = {label: next(iter(by_x.values())) for label, by_x in series_of(measured, group).items()}
    p = np.array(of["p, average MDP"])
    pooled = p_value(sum(of["chi-square, average MDP"]), sum(of["degrees of freedom, average MDP"]))
    described = f"p = {pooled:.3f} over all seeds together; {(p > 0.05).sum()} of {len(p)} seeds have p > 0.05"
    judged = [Verdict(f"{group}: {samples} merged samples fit the average MDP (p > 0.01)", described, pooled > 0.01)]
    for name in ("first MDP", "second MDP"):
        largest = max(of[f"p, {name}"])
        claim = f"{group}: the {name} is rejected in every seed (p < 1e-6)"
        judged.append(Verdict(claim, f"largest p = {largest:.1e}", largest < 1e-6))
    return judged


CHECK = Check(
    name="average-mdp",
    title="1. Merged data: the average MDP's failure",
    text="PEVI learns from merged data, PERM from the same data kept apart by context, as K grows. Two contexts: each of the "
    "H steps offers two actions. Risky pays 1 in context A and 0 in context B; safe pays 0.3 in both. The behaviour takes "
    "risky with probability 0.1 in A and 0.9 in B. The test contexts are A and B. Random: tabular contexts are drawn from "
    "a population, and each has its own behaviour: a random policy (erratic), or its own optimal policy with 30 % uniform "
    "actions (own experts). The test contexts are the whole population. The error of PERM has two causes: few training "
    "contexts, and few trajectories K in each of them. PEVI has n K trajectories of one MDP. As K grows, PEVI tends to the "
    "optimum of the average MDP. The gap is the return of PERM minus the return of PEVI.\n\n"
    "Goodness of fit: Pearson's chi-square test of next states and rewards in every (h, x, a). The context of each "
    "trajectory is drawn at random, and each trajectory gives one sample. Several samples of one trajectory would share "
    "its context, so they would not be independent. A chi-square is infinite if the data contain an outcome that the MDP "
    "excludes.",
    measure=measure,
    verdicts=verdicts,
    panels=(
        *(Panel(group, TRAJECTORIES_AXIS, log_y=False) for group in MERGED_GROUPS),
        *(Panel(group, "merged samples", table_only=True) for group in FIT_GROUPS),
    ),
    seconds=12.0,
)
