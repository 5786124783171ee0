"""Linear learners with continuous observations: PEVI on merged data, PPPO and PERM with values of their own for each context.

python examples/linear_learners.py [--episodes N] [--iterations N]

For users who know the theory. A cart with a pole has a goal to its left or to its right. The policy does not see the goal, so
staying in the middle gives the best mean return. The behaviour steers to the goal, and goals on the right have eight times as
much data.
"""

import argparse

import gymnasium
import numpy as np

import offctx
from offctx.algos import LinearPERMConfig, LinearPEVIConfig, LinearPPPOConfig


def behaviour(observations: np.ndarray, contexts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Balance the pole while moving towards the goal; 30 % of the actions are random."""
    x, x_dot, theta, theta_dot = observations.T
    lean = np.clip(0.1 * (x - contexts[:, 4]) + 0.15 * x_dot, -0.1, 0.1)
    return np.where(rng.random(len(x)) < 0.3, rng.integers(0, 2, len(x)), theta + 0.3 * theta_dot + lean > 0).astype(int)


def main() -> None:
    """Collect, fit three learners with two amounts of pessimism, evaluate on goals that are not in the data."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=40, help="for each goal on the right")
    parser.add_argument("--iterations", type=int, default=25, help="of PERM")
    parser.add_argument("--id", default="examples/CartGoal/unequal-v0", help="dataset id, not in use")
    args = parser.parse_args()
    env = gymnasium.make("offctx/CartGoal-v0", max_episode_steps=150)
    space = env.unwrapped.context_space
    episodes = np.maximum(np.array([1, 1, 8, 8]) * args.episodes // 8, 1)
    contexts = np.repeat(space.sweep("goal", [-1.5, -1.0, 1.0, 1.5]), episodes, axis=0)
    data = offctx.collect(env, args.id, contexts=contexts, policy=behaviour, seed=0, gradients=False)
    buffer = data.replay_buffer(context="hidden")

    unseen, rows = space.sweep("goal", [-1.25, -1.1, 1.1, 1.25]), []
    for beta in (0.3, 1.0):
        shared = {"stationary": True, "horizon": 40, "gamma": 0.97, "beta": beta}
        for config in (LinearPEVIConfig(**shared), LinearPPPOConfig(**shared, output="last"),
                       LinearPERMConfig(**shared, restarts=1, iterations=args.iterations)):  # fmt: skip
            learner = config.create()
            learner.fit(buffer)
            rows.append((beta, offctx.evaluate(learner, env, unseen, episodes=10, seed=1, context="hidden")))
    print("\nlearner      beta   mean return on unseen goals   worst goal")
    for beta, report in rows:
        print(f"{report.policy:<12} {beta:>4} {report.aer('test'):>29.1f} {report.worst_context('test')[1]:>12.1f}")


if __name__ == "__main__":
    main()
