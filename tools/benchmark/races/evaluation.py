"""Scoring one policy in many contexts, against d3rlpy's EnvironmentEvaluator."""

import statistics

import d3rlpy
import gymnasium
import numpy as np

import offctx
from tools.benchmark.bench import ENV, HORIZON, Bench, Size, environment, environment_share
from tools.benchmark.race import Measurement, Race
from tools.benchmark.timing import alternate, timed

CONTEXTS = Size(full=64, quick=2)
EPISODES = Size(full=10, quick=1)


def evaluate(bench: Bench) -> Measurement:
    """`offctx.evaluate` and d3rlpy's evaluator with the same policy and contexts."""
    k, m = bench.size(CONTEXTS), bench.size(EPISODES)
    contexts = environment().context_space.sample(np.random.default_rng(0), k)
    d3rlpy.seed(0)
    policy = d3rlpy.algos.TD3Config().create()
    policy.create_impl((7,), 1)  # 3 observations and 4 context coordinates; 1 action
    single = offctx.envs.AppendContext(offctx.envs.CycleContexts(gymnasium.make(ENV), contexts))

    def ours(episodes: int = m) -> float:
        return timed(lambda: offctx.evaluate(policy, ENV, contexts, episodes=episodes, seed=0))

    def peer(trials: int = k * m) -> float:
        evaluator = d3rlpy.metrics.EnvironmentEvaluator(single, n_trials=trials)
        return timed(lambda: evaluator(policy, None))

    ours(1)  # few repetitions follow, as the peer takes minutes: none of them shall be a first call
    peer(1)
    times = alternate(ours, peer, min(bench.repeats, 2))
    what = (
        f"{k} contexts x {m} episodes of {HORIZON} steps in {ENV} with an untrained TD3 policy: offctx.evaluate against "
        f"d3rlpy's EnvironmentEvaluator on the same contexts, one step at a time; both in full; "
        f"{environment_share(k * m * HORIZON, statistics.median(times[1]))}"
    )
    return Measurement(what, *times)


RACES = (Race("evaluate", evaluate, target=20),)
