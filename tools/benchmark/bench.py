"""What races share: sizes of the work, and datasets that are collected once."""

import io
import statistics
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import d3rlpy
import numpy as np

import offctx
from offctx.buffers.replay_buffer import ContextualReplayBuffer
from offctx.envs.base import ContextualEnv
from offctx.envs.resolve import resolve
from tools.benchmark.timing import timed

ENV = "offctx/PendulumGoal-v0"
HORIZON = 200  # steps of each of its episodes
BATCH = 256  # transitions


class Size(NamedTuple):
    """How much work a race does: for a measurement, and to see only that the race works (`--quick`)."""

    full: int
    quick: int


BUFFER_EPISODES = Size(full=500, quick=5)


@dataclass
class Bench:
    """What races share.

    Attributes:
        quick: races do little work; their times mean nothing.
        repeats: turns of each side.
    """

    quick: bool
    repeats: int
    _datasets: dict[str, offctx.ContextualDataset] = field(default_factory=dict)

    def size(self, size: Size) -> int:
        """The amount of work."""
        return size.quick if self.quick else size.full

    def dataset(self, episodes: int) -> offctx.ContextualDataset:
        """Random actions at the default context of ENV, derivatives included, stored below MINARI_DATASETS_PATH."""
        return self._collected(f"benchmark/random{episodes}-v0", episodes_per_context=episodes)

    def contextual(self, n: int, episodes: int = 2) -> offctx.ContextualDataset:
        """Random actions in n random contexts of ENV, as many episodes in each, without derivatives."""
        contexts = environment().context_space.sample(np.random.default_rng(0), n)
        dataset_id = f"benchmark/contexts{n}-v0" if episodes == 2 else f"benchmark/contexts{n}x{episodes}-v0"
        return self._collected(dataset_id, contexts=contexts, episodes_per_context=episodes, gradients=False)

    def buffers(self) -> tuple[ContextualReplayBuffer, Any]:
        """The same transitions, contexts appended, in our replay buffer and in d3rlpy's."""
        ours = self.dataset(self.size(BUFFER_EPISODES)).replay_buffer()
        file = io.BytesIO()
        ours.dump(file)
        file.seek(0)
        peer = d3rlpy.dataset.ReplayBuffer.load(file, d3rlpy.dataset.InfiniteBuffer())
        assert peer.transition_count == ours.transition_count
        return ours, peer

    def double_integrator(self, episodes: int) -> offctx.ContextualDataset:
        """Random actions in the 20 training contexts of DoubleIntegrator, as many episodes in each, without derivatives."""
        env, dataset_id = "offctx/DoubleIntegrator-v0", f"benchmark/double-integrator{episodes}-v0"
        contexts = resolve(env).env.context_space.splits["train"]
        return self._collected(dataset_id, env, contexts=contexts, episodes_per_context=episodes, gradients=False)

    def _collected(self, dataset_id: str, env: str = ENV, **options: Any) -> offctx.ContextualDataset:
        if dataset_id not in self._datasets:
            self._datasets[dataset_id] = offctx.collect(env, dataset_id, seed=0, progress=False, **options)
        return self._datasets[dataset_id]


def environment() -> ContextualEnv:
    """ENV without wrappers."""
    return resolve(ENV).env


def environment_share(steps: int, seconds: float) -> str:
    """Which share of a peer's `seconds` over `steps` is our environment's own step, in words.

    Our environment steps many rows at once and is slow for a single one; a peer that steps single rows pays for that.
    """
    env = environment()
    env.reset(seed=0)
    action = np.zeros(1, np.float32)
    step = statistics.median(timed(lambda: env.step(action)) for _ in range(500))
    return f"about {min(step * steps / seconds, 1):.0%} of the peer's time is our environment's step, slow for a single row"
