"""For those whose contexts are physical: one robot with the gravity and the motors that it was simulated with, and then others.

python examples/physical_contexts.py [--steps N] [--episodes M] [--horizon T]

HalfCheetah plays at random in its own context only. The simulator says how each transition would change with gravity and
with the strength of the motors; CSE trains on what follows from that. The numbers are small, to be quick: they show the way
through, not what the method can do, for which see docs/results.
"""

import argparse

import gymnasium
from d3rlpy.algos import TD3PlusBCConfig
from d3rlpy.logging import NoopAdapterFactory

import offctx

BOUNDS = {"gravity": (5.0, 20.0), "gear": (0.5, 1.5)}  # m/s^2; times the motors' own strength


def main() -> None:
    """Collect at the base context, train with and without CSE, sweep gravity."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=500, help="gradient steps of each agent")
    parser.add_argument("--episodes", type=int, default=20, help="episodes of data")
    parser.add_argument("--horizon", type=int, default=200, help="steps of an episode")
    parser.add_argument("--id", default="examples/HalfCheetahPhysics/gravity-gear-v0", help="dataset id, not in use")
    args = parser.parse_args()

    def make() -> gymnasium.Env:
        """Any Gymnasium MuJoCo environment, and any of its physical parameters by name."""
        env = offctx.envs.MujocoPhysics("HalfCheetah-v5", BOUNDS)
        return gymnasium.wrappers.TimeLimit(env, max_episode_steps=args.horizon)

    dataset = offctx.collect(make, args.id, episodes_per_context=args.episodes, seed=0)
    assert dataset.metadata is not None and dataset.metadata.derivatives is not None
    print(f"{len(dataset)} transitions; derivatives near a contact switch: {dataset.metadata.derivatives.flagged}")
    for row in offctx.context_sensitivity(dataset).ranking:
        print(
            f"{row.name:8} by {row.by:g} {row.unit}: moves next observations by {row.next_observation:.2f} of a step's change"
        )

    sweep = dataset.context_space.sweep("gravity", 7)
    returns = {}
    for name, augmentation in {"baseline": None, "CSE": offctx.CSE(radius=[1.0, 0.1])}.items():
        buffer = dataset.replay_buffer(augmentation=augmentation)
        agent = TD3PlusBCConfig().create()
        agent.fit(
            buffer, n_steps=args.steps, n_steps_per_epoch=args.steps,
            logger_adapter=NoopAdapterFactory(), show_progress=False,
        )  # fmt: skip
        returns[name] = offctx.evaluate(agent, make, {"gravity": sweep}, episodes=4, seed=1).returns["gravity"].mean(axis=1)

    print(f"{'gravity':>10} " + " ".join(f"{name:>10}" for name in returns))
    for k, (gravity, _) in enumerate(sweep):
        print(f"{gravity:10.2f} " + " ".join(f"{values[k]:10.1f}" for values in returns.values()))


if __name__ == "__main__":
    main()
