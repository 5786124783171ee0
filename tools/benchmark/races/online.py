"""Online training on 20 contexts side by side, against d3rlpy's loop in one environment: what it costs beside the updates."""

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import d3rlpy
import gymnasium
from d3rlpy.algos import SACConfig

import offctx
from offctx.envs import AppendContext, CycleContexts, LabelTransitions
from offctx.envs.resolve import resolve
from tools.benchmark.bench import BATCH, Bench, Size
from tools.benchmark.race import Measurement, Race
from tools.benchmark.timing import alternate

ENV = "offctx/DoubleIntegrator-v0"
CONTEXTS = 20
JOINT_STEPS = Size(full=250, quick=18)
WARM_UP = 15  # joint steps before the clock starts; the first update comes after BATCH transitions


class Stopwatch:
    """Seconds that a training spends outside `update`, from the end of its warm-up on.

    Args:
        learner: whose updates are left out.
        begin: the environment step after which the clock starts.
    """

    def __init__(self, learner: Any, begin: int) -> None:
        self.updates, self.seconds_of_update = 0, 0.0
        self._begin, self._started, self._ended = begin, 0.0, 0.0
        self._update: Callable[[Any], Any] = learner.update
        learner.update = self._timed_update

    def callback(self, learner: Any, epoch: int, step: int) -> None:
        """To be called after each environment step, or each joint step."""
        self._ended = time.perf_counter()
        if step == self._begin:
            self._started, self.updates, self.seconds_of_update = self._ended, 0, 0.0

    @property
    def outside(self) -> float:
        """Seconds outside `update`, up to the last call of `callback`."""
        return self._ended - self._started - self.seconds_of_update

    def _timed_update(self, batch: Any) -> Any:
        begin = time.perf_counter()
        losses = self._update(batch)
        self.seconds_of_update += time.perf_counter() - begin
        self.updates += 1
        return losses


def online(bench: Bench, *, same_buffer: bool) -> Measurement:
    """`train_online` beside `fit_online` of d3rlpy: as many environment steps and updates."""
    contexts, steps = resolve(ENV).env.context_space.splits["train"], CONTEXTS * bench.size(JOINT_STEPS)
    assert len(contexts) == CONTEXTS
    config, begin, updates, inside = SACConfig(batch_size=BATCH), CONTEXTS * WARM_UP, [], []

    def seconds(train: Callable[[Any, Stopwatch], None]) -> float:
        learner = config.create()
        watch = Stopwatch(learner, begin)
        train(learner, watch)
        updates.append(watch.updates)
        inside.append(watch.seconds_of_update)
        return watch.outside

    def ours(learner: Any, watch: Stopwatch) -> None:
        offctx.train_online(
            learner, ENV, contexts=contexts, steps=steps, seed=0, epochs=1, callback=watch.callback, progress=False
        )

    def peer(learner: Any, watch: Stopwatch) -> None:
        env: Any = CycleContexts(gymnasium.make(ENV), contexts)
        env = LabelTransitions(env, gradients=False) if same_buffer else AppendContext(env)
        d3rlpy.seed(0)
        quiet = {"show_progress": False, "logger_adapter": d3rlpy.logging.NoopAdapterFactory()}
        learner.fit_online(
            env,
            offctx.online_buffer(env) if same_buffer else None,
            n_steps=steps,
            n_steps_per_epoch=steps,
            update_interval=CONTEXTS,
            callback=watch.callback,
            **quiet,
        )

    times = alternate(lambda: seconds(ours), lambda: seconds(peer), bench.repeats)
    assert len(set(updates)) == 1, f"the two sides made {sorted(set(updates))} updates"
    what = (
        f"d3rlpy's SAC on CPU, default networks, batch {BATCH}, on {ENV} in {CONTEXTS} contexts: seconds outside `update` for "
        f"{steps - begin} environment steps with {updates[0]} updates (which take {statistics.median(inside):.2f} s); "
        f"ours: train_online; peer: fit_online with update_interval={CONTEXTS} in an environment that cycles through the "
        f"contexts, with {'our online_buffer' if same_buffer else 'its own buffer'}"
    )
    return Measurement(what, *times)


RACES = (
    Race("online", partial(online, same_buffer=False), target=5),
    Race("online-same-buffer", partial(online, same_buffer=True), target=5),
)
