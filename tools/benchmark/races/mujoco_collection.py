"""Random actions in many physical contexts into a new dataset, against Minari's DataCollector around Gymnasium's."""

import statistics
from typing import Any

import gymnasium
import minari
import numpy as np

import offctx
from tools.benchmark.bench import Bench, Size
from tools.benchmark.race import Measurement, Race
from tools.benchmark.races.cheetah import CHEETAH, GYM_CHEETAH, Floats, HandMadeCheetah, physical_cheetah
from tools.benchmark.timing import alternate, timed
from tools.datasets import temporary_datasets

CONTEXTS = Size(full=16, quick=2)
STEPS = Size(full=1000, quick=20)


def collect(bench: Bench) -> Measurement:
    """`offctx.collect` and Minari's DataCollector, one episode in each context."""
    k, steps = bench.size(CONTEXTS), bench.size(STEPS)

    def make() -> gymnasium.Env[Any, Any]:
        return gymnasium.make(CHEETAH, max_episode_steps=steps)

    env = physical_cheetah(make)
    contexts = env.context_space.sample(np.random.default_rng(0), k)

    def ours() -> float:
        with temporary_datasets():
            return timed(
                lambda: offctx.collect(make, "benchmark/ours-v0", contexts=contexts, seed=0, gradients=False, progress=False)
            )

    times = {}
    for infos in (True, False):

        def peer(infos: bool = infos) -> float:
            with temporary_datasets():
                return timed(lambda: collect_with_minari("benchmark/peer-v0", contexts, steps, infos))

        times[infos] = alternate(ours, peer, bench.repeats)
    ratio_without_infos = statistics.median(times[False][1]) / statistics.median(times[False][0])
    what = (
        f"{k} contexts x 1 episode of {steps} random steps, written to a new dataset: offctx.collect(gradients=False) in "
        f"{CHEETAH}, on {env.simulator.threads} thread(s), which stores context and simulator state of every step, against "
        f"minari.DataCollector(record_infos=True) around Gymnasium's {GYM_CHEETAH}, the model's fields set by hand for each "
        f"context, stepped one at a time, which stores Gymnasium's four infos (padded at reset, as Minari needs); with "
        f"record_infos=False, which stores neither state nor context, the ratio is {ratio_without_infos:.2f}x"
    )
    return Measurement(what, *times[True])


class PaddedInfos(minari.StepDataCallback):  # type: ignore[misc]  # Minari ships no types
    """Gives the infos of a reset the names of those of a step, as Minari requires. HalfCheetah's reset has fewer."""

    def __call__(self, env: Any, **step: Any) -> Any:
        """What Minari stores of a step."""
        data = super().__call__(env, **step)
        names = ("x_position", "x_velocity", "reward_forward", "reward_ctrl")
        data["info"] = {name: data["info"].get(name, 0.0) for name in names}
        return data


def collect_with_minari(dataset_id: str, contexts: Floats, steps: int, infos: bool) -> None:
    """Minari's loop, with each context (p,) of `contexts` (k, p) written into the model before its episode."""
    single = gymnasium.make(GYM_CHEETAH, max_episode_steps=steps)
    env = minari.DataCollector(single, step_data_callback=PaddedInfos, record_infos=infos)
    hand = HandMadeCheetah(env)
    for context in contexts:
        hand.set_context(context)
        env.reset()
        done = False
        while not done:
            _, _, terminated, truncated, _ = env.step(env.action_space.sample())
            done = terminated or truncated
    dataset = env.create_dataset(dataset_id)
    assert dataset.total_steps == len(contexts) * steps
    env.close()


RACES = (Race("mujoco-collect", collect, target=2),)
