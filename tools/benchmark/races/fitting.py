"""Training steps of stock d3rlpy algorithms on our buffer, and what context sample enhancement adds to them."""

import statistics
from functools import partial
from typing import Any

import d3rlpy

import offctx
from offctx.algos import make_algorithm
from tools.benchmark.bench import BATCH, BUFFER_EPISODES, Bench, Size
from tools.benchmark.race import Measurement, Race
from tools.benchmark.timing import alternate, alternate_batches, timed

STEPS = Size(full=300, quick=5)
WARM_UP_STEPS = Size(full=30, quick=1)
CALLS = Size(full=200, quick=40)


def fit(bench: Bench, algorithm: str) -> Measurement:
    """`fit` of a stock d3rlpy algorithm on both buffers."""
    ours, peer = bench.buffers()
    steps, warm_up = bench.size(STEPS), bench.size(WARM_UP_STEPS)

    def fit_on(buffer: Any) -> float:
        d3rlpy.seed(0)
        learner = make_algorithm(algorithm, ours, {"batch_size": BATCH})

        def run(n: int) -> None:
            quiet = d3rlpy.logging.NoopAdapterFactory()
            learner.fit(buffer, n_steps=n, n_steps_per_epoch=n, logger_adapter=quiet, show_progress=False)

        run(warm_up)
        return timed(lambda: run(steps))

    times = alternate(lambda: fit_on(ours), lambda: fit_on(peer), bench.repeats)
    what = (
        f"d3rlpy's {algorithm} on CPU, default networks, batch {BATCH}: fit for {steps} steps after {warm_up}, on our buffer "
        f"against d3rlpy's ReplayBuffer with the same {ours.transition_count} transitions"
    )
    return Measurement(what, *times)


def cse_cost(bench: Bench) -> Measurement:
    """What context sample enhancement (CSE) adds to a training step."""
    dataset = bench.dataset(bench.size(BUFFER_EPISODES))
    plain, enhanced = dataset.replay_buffer(), dataset.replay_buffer(augmentation=offctx.CSE(radius=0.5))
    learner = make_algorithm("iql", plain, {"batch_size": BATCH})
    learner.create_impl((plain.sample_transition().observation.shape[0],), plain.dataset_info.action_size)

    def step() -> None:
        learner.update(plain.sample_transition_batch(BATCH))

    block = max(2, bench.size(CALLS) // 4)
    for _ in range(bench.size(WARM_UP_STEPS)):
        step()
    added_times, step_times = [], []
    for _ in range(bench.repeats):
        plain_times, enhanced_times = alternate_batches(plain, enhanced, BATCH, rounds=2, block=block)
        added_times.append(statistics.median(enhanced_times) - statistics.median(plain_times))
        step_times.append(statistics.median(timed(step) for _ in range(block)))
    what = (
        f"ours: what CSE(radius=0.5) adds to sampling a batch of {BATCH}, a median of {2 * block} calls with it less one "
        f"without; peer: a whole training step of d3rlpy's IQL without it (sample and update), a median of {block}"
    )
    return Measurement(what, added_times, step_times)


RACES = (
    Race("fit-iql", partial(fit, algorithm="iql"), target=1.1),
    Race("fit-td3plusbc", partial(fit, algorithm="td3plusbc"), target=1.15),
    Race("fit-bc", partial(fit, algorithm="bc"), target=1.5),
    Race("cse-cost", cse_cost, target=3, percent=True),
)
