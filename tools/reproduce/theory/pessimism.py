"""Check 4: no pessimism, the beta that is best, and the beta of the theory, at poor and at good coverage.

Dimensions: R seeds, H horizon, S states, A actions.
"""

from collections.abc import Mapping

import numpy as np

from offctx.linear import beta_perm
from tools.reproduce.frame.verdicts import Threshold, Verdict, judge
from tools.reproduce.theory.check import Check, Panel
from tools.reproduce.theory.populations import learn_perm, linear_population, mixed_with_uniform, uniform_policy
from tools.reproduce.theory.records import Measured, Record
from tools.reproduce.theory.sizes import Sizes
from tools.reproduce.theory.statistics import mean_interval

DELTA = 0.05  # failure probability in the theory's beta
UNIFORM_SHARE = 0.1  # of the actions of the behaviour with poor coverage
RIDGES = (1.0, 0.01)


def measure(seed: int, sizes: Sizes) -> list[Record]:
    """Sub-optimality of PERM by beta, at poor and at good coverage, with the paper's ridge and with a small one."""
    rng = np.random.default_rng([4, seed])
    everyone = linear_population(rng, seed, sizes)
    train = everyone.draw(sizes.fixed_environments, rng)
    _, H, S, A = train.shape
    theory = beta_perm(
        train.features.shape[-1], H, len(train), sizes.fixed_trajectories, DELTA, log_covering=H * S * float(np.log(A))
    )
    narrow = mixed_with_uniform(everyone.best.policy, UNIFORM_SHARE)
    records = []
    for coverage, behaviour in (("poor coverage", narrow), ("good coverage", uniform_policy(train))):
        data = train.sample(behaviour, sizes.fixed_trajectories, rng, bernoulli=True)
        records.append(Record(f"{coverage}: behaviour", 0.0, float(everyone.suboptimality(behaviour[None])[0])))
        for ridge in RIDGES:
            for beta in (0.0, *sizes.betas, theory):
                learned = learn_perm(data, train, beta, seed, sizes, ridge)
                suboptimality = float(everyone.suboptimality(learned.policy[None])[0])
                records.append(Record(f"{coverage}: ridge {ridge:g}", beta, suboptimality))
                records.append(Record(f"{coverage}, ridge {ridge:g}, value: pessimistic", beta, learned.value))
    return records


def tuned(by_beta: Mapping[float, list[float]], sizes: Sizes) -> list[float]:
    """Each seed's value at the beta of the grid that is best on average over the other seeds.

    Args:
        by_beta: beta -> one value for each seed.
        sizes: hold the grid.

    Returns:
        R values. With a single seed, the value at that seed's own best beta.
    """
    values = np.array([by_beta[beta] for beta in sizes.betas])  # (betas, R)
    if values.shape[1] < 2:
        return [float(value) for value in values.min(axis=0)]
    others = values.sum(axis=1, keepdims=True) - values
    return [float(value) for value in values[others.argmin(axis=0), np.arange(values.shape[1])]]


def verdicts(measured: Measured, sizes: Sizes) -> list[Verdict]:
    """Gamma = 0 and the theory's beta, each minus the tuned beta, within seeds."""
    judged = []
    for coverage in ("poor coverage", "good coverage"):
        for ridge in RIDGES:
            by_beta, where = measured[f"{coverage}: ridge {ridge:g}"], f"{coverage}, ridge {ridge:g}"
            theory, best = max(by_beta), tuned(by_beta, sizes)
            zero_loss, theory_loss = (mean_interval(np.subtract(by_beta[beta], best)) for beta in (0.0, theory))
            value = np.mean(measured[f"{where}, value: pessimistic"][theory])
            judged += [
                Verdict(f"{where}: sub-optimality with tuned beta", str(mean_interval(best)), None),
                judge(
                    f"{where}: Gamma = 0 loses against tuned beta",
                    zero_loss,
                    Threshold(above=0) if coverage == "poor coverage" else None,
                ),
                Verdict(
                    f"{where}: theory's beta ({theory:.0f}; mean pessimistic value {value:.3f}) loses against tuned beta",
                    str(theory_loss),
                    None,
                ),
            ]
    return judged


CHECK = Check(
    name="pessimism",
    title="4. Pessimism: Gamma = 0, tuned, and theory's beta",
    text=f"Poor coverage: the behaviour is the best policy over all contexts with {UNIFORM_SHARE:.0%} uniform actions. "
    "Good coverage: the behaviour is the uniform policy. The paper's ridge, 1, shrinks the estimates of rare states and "
    "actions towards 0. As no reward is negative, this is pessimism too; so a ridge of 0.01 is shown beside it. Tuned: for "
    "each seed the beta of the grid that is best over the other seeds. The largest beta is the theory's, with c = 1. Where it "
    "clips every value to 0, all policies have the same pessimistic value, and PERM's choice is arbitrary.",
    measure=measure,
    verdicts=verdicts,
    panels=(Panel("poor coverage", "beta", log_y=False), Panel("good coverage", "beta", log_y=False)),
    seconds=10.0,
)
