"""offctx in a d3rlpy pipeline: the buffer, the evaluator, or both.

python examples/plug_into_d3rlpy.py [--steps N]
"""

import argparse

import gymnasium
import minari

import offctx

offctx.quiet()

import d3rlpy

ENV = "offctx/PendulumGoal-v0"


def record(dataset_id: str, episodes: int) -> None:
    """Record random actions with plain Minari, in one context for each episode."""
    collector = minari.DataCollector(gymnasium.make(ENV), record_infos=True)
    collector.action_space.seed(0)
    for seed in range(episodes):
        context = {"g": 1.0 + seed % 4}
        collector.reset(seed=seed, options={"context": offctx.envs.PendulumGoal.context_space.check(context)})
        done = False
        while not done:
            *_, terminated, truncated, _ = collector.step(collector.action_space.sample())
            done = terminated or truncated
    collector.create_dataset(dataset_id)


def main() -> None:
    """A d3rlpy pipeline; only the two statements with offctx are new."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2000, help="gradient steps")
    parser.add_argument("--episodes", type=int, default=40, help="episodes to record")
    parser.add_argument("--id", default="examples/PendulumGoal/recorded-v0", help="dataset id, not in use")
    args = parser.parse_args()
    record(args.id, args.episodes)

    buffer = offctx.load_dataset(args.id).replay_buffer()  # instead of d3rlpy.datasets.get_minari
    zero_shot = offctx.ZeroShotEvaluator(ENV, {"gravity": [[4.0, 1, 1, 0], [5.0, 1, 1, 0]]}, episodes=10)

    iql = d3rlpy.algos.IQLConfig(action_scaler=d3rlpy.preprocessing.MinMaxActionScaler()).create()
    results = iql.fit(
        buffer,
        n_steps=args.steps,
        n_steps_per_epoch=max(args.steps // 2, 1),
        evaluators={"td_error": d3rlpy.metrics.TDErrorEvaluator(), "zero_shot": zero_shot},
        with_timestamp=False,
        logger_adapter=d3rlpy.logging.NoopAdapterFactory(),
    )
    for epoch, metrics in results:
        print(epoch, {name: round(metrics[name], 2) for name in ("td_error", "zero_shot")})


if __name__ == "__main__":
    main()
