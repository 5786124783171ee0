"""Updates of PERM, whose critics are separate for each context, against fewer contexts and against separate learners."""

import dataclasses
import statistics
from typing import Any

import d3rlpy
import gymnasium
import numpy as np
from numpy.typing import NDArray

from offctx.algos import PERMConfig
from offctx.buffers.replay_buffer import ContextualReplayBuffer
from offctx.buffers.samplers import BalancedSampler
from tools.benchmark.bench import BATCH, ENV, Bench, Size
from tools.benchmark.race import Measurement, Race
from tools.benchmark.timing import Contender, alternate, timed

CONTEXTS = Size(full=16, quick=2)
UPDATES = Size(full=20, quick=2)
FIELDS = (
    "observations",
    "actions",
    "rewards",
    "next_observations",
    "next_actions",
    "terminals",
    "intervals",
    "context_ids",
)  # of a batch, one row a transition


def many_contexts(bench: Bench) -> Measurement:
    """What separate critics for many contexts cost, against critics for one context."""
    many, batches = perm_learner(bench, None), context_batches(bench)
    one = perm_learner(bench, 1)
    times = alternate(updates(many, batches), updates(one, batches), bench.repeats, block=2)
    critics, steps = many.impl.modules.critics, len(batches)

    def optimiser_steps() -> None:
        for _ in range(steps):
            many.impl.modules.critic_optim.step()
            critics.target.track(critics.online, 0.005)

    step_seconds = statistics.median(timed(optimiser_steps) / steps for _ in range(bench.repeats))
    weights = sum(p.numel() for p in critics.online.parameters())
    what = (
        f"ours: one PERM update (PERMConfig(), no quantifier) with {bench.size(CONTEXTS)} contexts, a batch of {BATCH} "
        f"transitions drawn equally from them; peer: the same batches, groups=1, so one context; the optimiser's step and the "
        f"target's update alone, over {weights:,} critic weights, take {1e3 * step_seconds:.2f} ms of it, "
        f"{100 * step_seconds / statistics.median(times[0]):.0f} %"
    )
    return Measurement(what, *times)


def many_iqls(bench: Bench) -> Measurement:
    """What the same critics cost as separate learners."""
    many, batches = perm_learner(bench, None), context_batches(bench)
    ids = np.unique(batches[0].context_ids)
    learners = [iql_learner(bench) for _ in ids]
    parts = [[dataclasses.replace(batch, **rows_of(batch, batch.context_ids == k)) for k in ids] for batch in batches]

    def peer() -> float:
        def work() -> None:
            for shares in parts:
                for learner, share in zip(learners, shares, strict=True):
                    learner.update(share)

        return timed(work) / len(parts)

    times = alternate(updates(many, batches), peer, bench.repeats)
    what = (
        f"ours: one PERM update with {len(ids)} contexts on {BATCH} transitions; peer: {len(ids)} d3rlpy IQL learners updated "
        f"one after the other, each on its own context's {BATCH // len(ids)} of the same transitions (and each with a policy "
        f"of its own, where PERM has one)"
    )
    return Measurement(what, *times)


def one_context(bench: Bench) -> Measurement:
    """What PERM costs where there is one context, so that it is IQL."""
    batches = context_batches(bench)
    times = alternate(
        updates(perm_learner(bench, 1), batches), updates(iql_learner(bench), batches), 2 * bench.repeats, block=2
    )
    what = (
        f"ours: one update of PERM with one context, no quantifier and expectile evaluation, which is IQL, on {BATCH} "
        f"transitions; peer: d3rlpy's IQL on the same batches"
    )
    return Measurement(what, *times)


def context_batches(bench: Bench) -> list[Any]:
    """Batches drawn equally from all contexts, without the context in the observations."""
    balanced = hidden_buffer(bench).with_sampler(BalancedSampler(lambda table: table["context_ids"]))
    return [balanced.sample_transition_batch(BATCH) for _ in range(bench.size(UPDATES))]


def rows_of(batch: Any, mask: NDArray[np.bool_]) -> dict[str, Any]:
    """The fields of some rows of a batch."""
    return {name: getattr(batch, name)[mask] for name in FIELDS}


def perm_learner(bench: Bench, groups: int | None) -> Any:
    """PERM with its networks made."""
    learner = PERMConfig(action_scaler=torque_scaler(), groups=groups).create()
    learner.build_with_dataset(hidden_buffer(bench))
    return learner


def iql_learner(bench: Bench) -> Any:
    """d3rlpy's IQL with its networks made."""
    learner = d3rlpy.algos.IQLConfig(action_scaler=torque_scaler()).create()
    learner.build_with_dataset(hidden_buffer(bench))
    return learner


def hidden_buffer(bench: Bench) -> ContextualReplayBuffer:
    """A new buffer of data from several contexts, which observations do not show."""
    return bench.contextual(bench.size(CONTEXTS)).replay_buffer(context="hidden")


def torque_scaler() -> Any:
    """Scales the environment's torques to [-1, 1]."""
    space: Any = gymnasium.make(ENV).action_space
    return d3rlpy.preprocessing.MinMaxActionScaler(space.low, space.high)


def updates(learner: Any, batches: list[Any]) -> Contender:
    """A contender that updates a learner on each batch and returns the seconds of one update."""

    def work() -> None:
        for batch in batches:
            learner.update(batch)

    return lambda: timed(work) / len(batches)


RACES = (
    Race("perm-contexts", many_contexts, target=300, percent=True),
    Race("perm-many-iqls", many_iqls, target=3),
    Race("perm-one-context", one_context, target=110, percent=True),
)
