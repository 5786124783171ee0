"""Pessimism on the merged data of two contexts (PEVI), and with values of their own for each context (PERM).

python examples/pessimism_across_contexts.py [--trajectories K]

For users who know the theory. At a fork, the action "risky" gives reward 1 in context A and 0 in context B; "safe" gives 0.3 in
both. For a policy that does not see the context, risky is better: 0.5 on average. But the behaviour was nearly always safe in A
and nearly always risky in B, so that risky looks bad in the merged data. The merged data describe an average MDP, which is not
the MDP of any context (Proposition 4.1 of arXiv 2503.07988).
"""

import argparse

import numpy as np

from offctx.linear import LinearCMDP, average_mdp, maximise, perm, pevi

HORIZON = 3  # forks, one after the other
RISKY, SAFE = 0, 1


def make() -> tuple[LinearCMDP, np.ndarray]:
    """The two contexts, and the behaviour policy in each (n, H, S, A)."""
    rewards = np.empty((2, HORIZON, 1, 2))
    rewards[..., SAFE] = 0.3
    rewards[0, ..., RISKY], rewards[1, ..., RISKY] = 1.0, 0.0
    behaviour = np.empty_like(rewards)
    behaviour[0, ..., RISKY], behaviour[1, ..., RISKY] = 0.1, 0.9
    behaviour[..., SAFE] = 1 - behaviour[..., RISKY]
    return LinearCMDP.tabular(np.ones((*rewards.shape, 1)), rewards, initial=[1.0]), behaviour


def main() -> None:
    """Sample trajectories, learn with both methods, compare returns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trajectories", type=int, default=2000, help="in each context")
    args = parser.parse_args()

    cmdp, behaviour = make()
    data = cmdp.sample(behaviour, args.trajectories, np.random.default_rng(0), bernoulli=True)
    merged = pevi(*data, cmdp.features, beta=0.5)
    separate = perm(*data, cmdp.features, initial=cmdp.initial, beta=0.5, seed=0)
    oracle = maximise(cmdp.problem(), cmdp.initial, seed=0)

    average = average_mdp(cmdp, behaviour).mdp.rewards[0, 0, 0]
    print(f"reward of risky, safe: mean of contexts 0.50, 0.30; in the average MDP {average[RISKY]:.2f}, {average[SAFE]:.2f}\n")
    print("policy               risky at first fork   return in A   in B   mean")
    for name, policy in (("behaviour", behaviour), ("merged PEVI", merged.policy), ("PERM", separate.policy),
                         ("oracle", oracle.policy)):  # fmt: skip
        a, b = cmdp.returns(policy)
        risky = policy[..., 0, 0, RISKY].mean()
        print(f"{name:<20} {risky:>18.0%} {a:>14.2f} {b:>6.2f} {(a + b) / 2:>6.2f}")


if __name__ == "__main__":
    main()
