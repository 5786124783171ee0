"""Check 3: the RL error of PERM falls with the number of trajectories K; the SL error of few training contexts stays."""

import numpy as np

from tools.reproduce.frame.verdicts import Threshold, Verdict, judge
from tools.reproduce.theory.check import TRAJECTORIES_AXIS, Check, Panel
from tools.reproduce.theory.populations import learn_perm, linear_population, population, uniform_policy
from tools.reproduce.theory.records import Measured, Record
from tools.reproduce.theory.sizes import Sizes
from tools.reproduce.theory.statistics import mean_interval, slope_interval

FLOOR = "all contexts: SL floor (K infinite)"


def measure(seed: int, sizes: Sizes) -> list[Record]:
    """RL error on the training contexts; sub-optimality over all contexts, and the part of it that K does not reduce."""
    rng = np.random.default_rng([3, seed])
    everyone = linear_population(rng, seed, sizes)
    train = everyone.draw(sizes.fixed_environments, rng)
    trained = population(train, seed, sizes)
    floor = float(everyone.suboptimality(trained.best.policy[None])[0])
    records = []
    for K in sizes.trajectories:
        data = train.sample(uniform_policy(train), K, rng, bernoulli=True)
        for beta in (0.0, sizes.beta):
            policy = learn_perm(data, train, beta, seed, sizes).policy[None]
            records.append(Record(f"RL error: beta = {beta:g}", K, float(trained.suboptimality(policy)[0])))
            records.append(Record(f"all contexts: PERM, beta = {beta:g}", K, float(everyone.suboptimality(policy)[0])))
        records.append(Record(FLOOR, K, floor))
    return records


def verdicts(measured: Measured, sizes: Sizes) -> list[Verdict]:
    """The slope of the RL error in K, and the floor that no K lowers."""
    judged = []
    for beta in (0.0, sizes.beta):
        slope = slope_interval(measured[f"RL error: beta = {beta:g}"])
        judged.append(judge(f"RL error, beta = {beta:g}: slope <= -0.4", slope, Threshold(at_most=-0.4)))
    K = max(sizes.trajectories)
    floors = measured[FLOOR][K]
    floor = mean_interval(floors)
    excess = mean_interval(np.subtract(measured[f"all contexts: PERM, beta = {sizes.beta:g}"][K], floors))
    judged.append(judge("the SL floor is above 0", floor, Threshold(above=0)))
    judged.append(Verdict(f"PERM above the SL floor at K = {K}", str(excess), None))
    return judged


CHECK = Check(
    name="trajectories",
    title="3. More trajectories: the RL error and the SL floor",
    text="The training contexts are fixed. RL error: the best return on the training contexts, known exactly, minus the "
    "return of PERM's policy on them. All contexts: sub-optimality over the population. Its floor is the sub-optimality of "
    "the best policy for the training contexts, which no K lowers. Slopes leave out points whose mean is 0.",
    measure=measure,
    verdicts=verdicts,
    panels=(Panel("RL error", TRAJECTORIES_AXIS, "RL error"), Panel("all contexts", TRAJECTORIES_AXIS)),
    seconds=5.0,
)
