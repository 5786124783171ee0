"""Check 5: PERM, PPPO and an oracle that knows the training contexts exactly."""

import numpy as np

from offctx.linear import pppo
from tools.reproduce.frame.verdicts import Verdict
from tools.reproduce.theory.check import ENVIRONMENTS_AXIS, Check, Panel
from tools.reproduce.theory.populations import best_policy, learn_perm, linear_population, uniform_policy
from tools.reproduce.theory.records import Measured, Record, series_of
from tools.reproduce.theory.sizes import Sizes
from tools.reproduce.theory.statistics import mean_interval, slope_interval

STEP_FACTORS = (1, 10)  # times the paper's step size
UNIFORM = "uniform policy"


def measure(seed: int, sizes: Sizes) -> list[Record]:
    """Sub-optimality of PERM, of PPPO's random output (its expectation) and of PPPO's last policy, as n grows."""
    rng = np.random.default_rng([5, seed])
    everyone = linear_population(rng, seed, sizes)
    uniform = float(everyone.suboptimality(uniform_policy(everyone.cmdp)[None])[0])
    records = []
    for n in sizes.environments:
        train = everyone.draw(n, rng)
        data = train.sample(uniform_policy(train), sizes.fixed_trajectories, rng, bernoulli=True)
        policies = {
            "PERM": learn_perm(data, train, sizes.beta, seed, sizes).policy[None],
            "oracle for the n contexts": best_policy(train, seed, sizes).policy[None],
        }
        for factor in STEP_FACTORS:
            step_size = factor * float(np.sqrt(np.log(sizes.actions) / (sizes.horizon**2 * n)))
            learned = pppo(*data, train.features, beta=sizes.beta, seed=seed, step_size=step_size)
            policies[f"PPPO, random output, alpha x {factor}"] = learned.policies
            policies[f"PPPO, last policy, alpha x {factor}"] = learned.policies[-1:]
        records += [
            Record(f"algorithms: {name}", n, float(everyone.suboptimality(several).mean()))
            for name, several in policies.items()
        ]
        records.append(Record(f"algorithms: {UNIFORM}", n, uniform))
    return records


def verdicts(measured: Measured, sizes: Sizes) -> list[Verdict]:
    """Sub-optimality at the largest n, and the slope in n; no threshold."""
    n = max(sizes.environments)
    judged = []
    for name, by_n in series_of(measured, "algorithms").items():
        slope = "" if name == UNIFORM else f"; slope {slope_interval(by_n)}"
        judged.append(Verdict(f"{name}: sub-optimality at n = {n}", f"{mean_interval(by_n[n])}{slope}", None))
    return judged


CHECK = Check(
    name="algorithms",
    title="5. PERM, PPPO and an oracle",
    text="PPPO is run as printed in the paper, with data splitting: each step sees K / H trajectories. Random output is the "
    "expectation over PPPO's random output. Also shown are PPPO's last policy, and ten times the paper's step size. The "
    "oracle knows the n training contexts exactly. An oracle that knows all contexts has sub-optimality 0.",
    measure=measure,
    verdicts=verdicts,
    panels=(Panel("algorithms", ENVIRONMENTS_AXIS),),
    seconds=7.0,
)
