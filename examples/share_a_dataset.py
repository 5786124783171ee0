"""A family of environments of your own: check it, collect a dataset, print the dataset's card.

For users who make and share datasets.

python examples/share_a_dataset.py [--episodes N]
"""

import argparse

import numpy as np
import torch
from gymnasium.spaces import Box
from gymnasium.wrappers import TimeLimit

import offctx
from offctx.data.card import card, render
from offctx.envs.testing import check_contextual_env


class SlidingPuck(offctx.envs.DifferentiableEnv):
    """A puck on a table, pushed towards the middle. Context: its mass and the table's friction."""

    context_space = offctx.ContextSpace(
        names=["mass", "friction"], low=[0.5, 0.0], high=[2.0, 1.0], default=[1.0, 0.2], units=["kg", "N s/m"]
    )
    observation_space = Box(-np.inf, np.inf, (2,), np.float32)  # position [m], velocity [m/s]
    action_space = Box(-1.0, 1.0, (1,), np.float32)  # force [N]

    def initial_state(self, rng, context):
        """A position within a metre, at rest."""
        return np.stack([rng.uniform(-1, 1, context.shape[:-1]), np.zeros(context.shape[:-1])], axis=-1)

    def transition(self, state, action, context):
        """One Euler step of 0.1 s."""
        position, velocity = state.unbind(-1)
        mass, friction = context.unbind(-1)
        velocity = velocity + 0.1 * (action[..., 0] - friction * velocity) / mass
        return torch.stack([position + 0.1 * velocity, velocity], dim=-1)

    def reward(self, state, action, next_state, context):
        """High near the middle, at low speed and with little force."""
        return -(next_state**2).sum(-1) - 0.01 * action[..., 0] ** 2


def make() -> TimeLimit:
    """The environment with episodes of ten seconds."""
    return TimeLimit(SlidingPuck(), max_episode_steps=100)


def feedback(observations, contexts, rng):
    """A hand-made controller with noise: push against position and velocity."""
    return -observations[:, :1] - observations[:, 1:] + rng.normal(0, 0.3, (len(observations), 1))


def main() -> None:
    """Check the environment, collect a dataset, print its card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=20, help="episodes in each of 12 contexts")
    parser.add_argument("--id", default="examples/SlidingPuck/mixed-v0", help="dataset id, not in use")
    args = parser.parse_args()

    check_contextual_env(make)
    dataset = offctx.collect(
        make,
        args.id,
        contexts=SlidingPuck.context_space.mesh(mass=[0.5, 1.0, 1.5, 2.0], friction=[0.0, 0.2, 0.5]),
        policy=offctx.Mixture(["random", feedback]),
        episodes_per_context=args.episodes,
        seed=0,
        description="A puck pushed to the middle of a table, in twelve combinations of mass and friction.",
    )
    print(render(card(dataset, offctx.context_sensitivity(dataset).to_dict())))


if __name__ == "__main__":
    main()
