"""Random actions into a new dataset, against Minari's DataCollector."""

import statistics

import gymnasium
import minari

import offctx
from tools.benchmark.bench import ENV, HORIZON, Bench, Size, environment_share
from tools.benchmark.race import Measurement, Race
from tools.benchmark.timing import alternate, timed
from tools.datasets import temporary_datasets

EPISODES = Size(full=250, quick=2)


def collect(bench: Bench) -> Measurement:
    """`offctx.collect` and Minari's DataCollector around the same environment."""
    episodes = bench.size(EPISODES)

    def ours() -> float:
        with temporary_datasets():
            return timed(
                lambda: offctx.collect(ENV, "benchmark/ours-v0", episodes_per_context=episodes, seed=0, progress=False)
            )

    def peer() -> float:
        with temporary_datasets():
            return timed(lambda: collect_with_minari("benchmark/peer-v0", episodes))

    times = alternate(ours, peer, bench.repeats)
    what = (
        f"{episodes} episodes of {HORIZON} random steps in {ENV} at its default context, written to a new dataset: "
        f"offctx.collect, context derivatives included, against minari.DataCollector(gymnasium.make(id), record_infos=True) "
        f"around the same environment, stepped one row at a time, without derivatives; "
        f"{environment_share(episodes * HORIZON, statistics.median(times[1]))}"
    )
    return Measurement(what, *times)


def collect_with_minari(dataset_id: str, episodes: int) -> None:
    """Collect random actions with the loop of Minari's own tutorial."""
    env = minari.DataCollector(gymnasium.make(ENV), record_infos=True)
    for _ in range(episodes):
        env.reset()
        done = False
        while not done:
            _, _, terminated, truncated, _ = env.step(env.action_space.sample())
            done = terminated or truncated
    dataset = env.create_dataset(dataset_id)
    assert dataset.total_steps == episodes * HORIZON
    env.close()


RACES = (Race("collect", collect, target=10),)
