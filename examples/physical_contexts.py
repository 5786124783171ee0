"""Physical contexts: a robot is recorded with one gravity and one motor strength, and evaluated with others.

python examples/physical_contexts.py [--steps N] [--episodes M]

A hand-made controller runs HalfCheetah in its default context only. The simulator computes how each transition changes with
gravity and with the strength of the motors, and context sample enhancement (CSE) trains on transitions in other contexts that
follow from these derivatives. Behavioural cloning without CSE sees one context only, and its actions in others are arbitrary.
"""

import argparse

import gymnasium
import numpy as np

import offctx

offctx.quiet()

from d3rlpy.algos import BCConfig
from d3rlpy.logging import NoopAdapterFactory

BOUNDS = {"gravity": (5.0, 20.0), "gear": (0.5, 1.5)}  # in m/s^2; as a multiple of the default strength
HORIZON = 200

# Each motor reacts to its own joint's angle and velocity [rad, 10 rad/s], plus an offset.
ANGLE = np.array([-2.0, -2.0, -1.9, -2.4, 1.6, -0.9])
VELOCITY = np.array([1.0, 2.3, 1.5, 0.7, -0.4, 0.8])
OFFSET = np.array([2.0, -0.1, 5.6, -1.5, 0.1, -2.8])


def make() -> gymnasium.Env:
    """A Gymnasium MuJoCo environment, with two of its physical parameters as the context."""
    return gymnasium.wrappers.TimeLimit(offctx.envs.MujocoPhysics("HalfCheetah-v5", BOUNDS), max_episode_steps=HORIZON)


def gait(observations, contexts, rng):
    """Run at about 2 m/s, with noise for variety in the data."""
    push = ANGLE * observations[:, 2:8] + VELOCITY * observations[:, 11:17] / 10 + OFFSET
    return np.tanh(push + rng.normal(0, 0.3, push.shape))


def main() -> None:
    """Collect at the base context, clone with and without CSE, sweep gravity."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1000, help="gradient steps of each agent")
    parser.add_argument("--episodes", type=int, default=20, help="episodes of data, and of each evaluation")
    parser.add_argument("--id", default="examples/HalfCheetahPhysics/gait-v0", help="dataset id, not in use")
    args = parser.parse_args()

    dataset = offctx.collect(make, args.id, policy=gait, episodes_per_context=args.episodes, seed=0)
    derivatives = dataset.metadata.derivatives
    print(
        f"{len(dataset)} transitions, {derivatives.flagged} of them near a change of contact: their derivatives are unreliable"
    )
    print(offctx.context_sensitivity(dataset))

    sweep = dataset.context_space.sweep("gravity", 7)
    returns = {}
    for name, augmentation in {"baseline": None, "CSE": offctx.CSE(radius=[3.0, 0.2])}.items():
        buffer = dataset.replay_buffer(augmentation=augmentation)
        agent = BCConfig().create()
        agent.fit(
            buffer, n_steps=args.steps, n_steps_per_epoch=args.steps, logger_adapter=NoopAdapterFactory(), show_progress=False
        )
        report = offctx.evaluate(agent, make, {"gravity": sweep}, episodes=args.episodes, seed=1)
        returns[name] = report.returns["gravity"].mean(axis=1)

    print("gravity [m/s^2]", *(f"{name:>10}" for name in returns))
    for context, *row in zip(sweep, *returns.values(), strict=True):
        print(f"{context[0]:15g}", *(f"{value:10.1f}" for value in row))


if __name__ == "__main__":
    main()
