"""Offline training on data from one context, for an agent that acts in all contexts.

python examples/train_an_agent.py [--steps N]
"""

import argparse

import offctx

offctx.quiet()

from d3rlpy.algos import TD3Config
from d3rlpy.preprocessing import MinMaxActionScaler

ENV = "offctx/PendulumGoal-v0"


def main() -> None:
    """Collect at one context, train with and without CSE, compare in contexts that are not in the data."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=5000, help="gradient steps of each agent")
    parser.add_argument("--episodes", type=int, default=250, help="episodes of data")
    parser.add_argument("--id", default="examples/PendulumGoal/random-v0", help="dataset id, not in use")
    parser.add_argument("--out", default="out/train_an_agent", help="folder of the report")
    args = parser.parse_args()

    dataset = offctx.collect(ENV, args.id, episodes_per_context=args.episodes, seed=0)
    space = dataset.context_space
    contexts = {"train": space.default, "gravity": space.sweep("g", 9), "torque": space.sweep("tau", 9)}

    reports = {}
    for name, augmentation in {"baseline": None, "CSE": offctx.CSE(radius=0.5)}.items():
        buffer = dataset.replay_buffer(augmentation=augmentation)
        agent = TD3Config(action_scaler=MinMaxActionScaler(minimum=-2.0, maximum=2.0)).create()
        offctx.algos.train(agent, buffer, steps=args.steps, seed=0)
        reports[name] = offctx.evaluate(agent, ENV, contexts, episodes=64, seed=1, name=name)

    comparison = offctx.compare(reports)
    print(comparison)
    print("report:", comparison.save(args.out) / "report.html")


if __name__ == "__main__":
    main()
