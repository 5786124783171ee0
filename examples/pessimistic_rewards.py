"""An uncertainty quantifier with d3rlpy's TD3+BC, by one argument of the buffer.

python examples/pessimistic_rewards.py [--steps N]

For users with an offline algorithm and poorly covered data. Rewards are noisy, and the behaviour rarely tried other actions. An
action that was taken once and was lucky looks better than one that was taken a hundred times. `Pessimism` uses the reward
r - beta Gamma(x, a), where the uncertainty Gamma is large where a context has few data.
"""

import argparse
import itertools

import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import TimeLimit

import offctx
from offctx.augmentations.pessimism import Pessimism

offctx.quiet()

import d3rlpy


class Aim(offctx.envs.DifferentiableEnv):
    """x' = x / 2 + a. The reward is -(x' - target)^2 plus noise from N(0, 1); the target is the context."""

    context_space = offctx.ContextSpace(["target"], -1.0, 1.0, [0.0])
    observation_space = spaces.Box(-np.inf, np.inf, (1,), np.float32)
    action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
    noise_size = 1

    def initial_state(self, rng, context):
        return rng.uniform(-1, 1, (*context.shape[:-1], 1))

    def transition(self, state, action, context, noise=None):
        return 0.5 * state + action

    def reward(self, state, action, next_state, context, noise=None):
        return noise[..., 0] - (next_state - context).square().sum(-1)


def aim():
    """The environment with ten steps an episode."""
    return TimeLimit(Aim(), 10)


def behaviour(observations, contexts, rng):
    """Go to the target with noise of 0.1; 10 % of the actions are random."""
    random_actions = rng.uniform(-1, 1, observations.shape)
    to_target = contexts - 0.5 * observations + 0.1 * rng.standard_normal(observations.shape)
    return np.where(rng.uniform(size=observations.shape) < 0.1, random_actions, to_target).clip(-1, 1)


def main() -> None:
    """Collect, train without and with pessimism, compare average expected returns (AER)."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1000, help="gradient steps of each of the four agents")
    parser.add_argument("--id", default="examples/Aim/narrow-v0", help="dataset id, not in use")
    args = parser.parse_args()

    contexts = {"train": [[-0.6], [-0.2], [0.2], [0.6]], "unseen": [[-0.4], [0.0], [0.4]]}
    dataset = offctx.collect(aim, args.id, contexts=contexts["train"], policy=behaviour, episodes_per_context=10, seed=0)
    table = ["beta  seed  AER train  AER unseen"]
    network = d3rlpy.models.VectorEncoderFactory([64, 64])
    networks = {"actor_encoder_factory": network, "critic_encoder_factory": network}
    rates = {"actor_learning_rate": 3e-3, "critic_learning_rate": 3e-3}
    for beta, seed in itertools.product((0, 5), (0, 1)):
        agent = d3rlpy.algos.TD3PlusBCConfig(gamma=0.9, batch_size=128, **networks, **rates).create()
        buffer = dataset.replay_buffer(augmentation=Pessimism(beta), seed=seed)
        offctx.algos.train(agent, buffer, steps=args.steps, seed=seed)
        report = offctx.evaluate(agent, aim, contexts, episodes=1000, seed=1)
        table.append(f"{beta:>4}  {seed:>4}  {report.aer('train'):>9.2f}  {report.aer('unseen'):>10.2f}")
    print(f"\n{len(dataset)} transitions; mean return of the behaviour {dataset.episode_returns.mean():.2f}")
    print(*table, sep="\n")


if __name__ == "__main__":
    main()
