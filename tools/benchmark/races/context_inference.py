"""Updates of DMA*-SH, whose rows have networks of their own, against a loop over rows and against an update of plain SAC."""

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from unittest import mock

import d3rlpy
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from offctx.algos.context_inference.encoder import ContextEncoder
from offctx.algos.context_inference.heads import Latent
from offctx.algos.context_inference.hypernetwork import Hypernetwork
from offctx.algos.dmash.presets import dmash_preset
from tools.benchmark.bench import Bench, Size
from tools.benchmark.race import Measurement, Race
from tools.benchmark.timing import Contender, alternate, timed

ROWS, WINDOW = 240, 24  # of a batch, and transitions in a window: the paper's for DoubleIntegrator
UPDATES = Size(full=4, quick=2)  # even: the policy is updated in every second one
EPISODES = Size(full=10, quick=1)  # of each of 20 contexts
TOLERANCE = 1e-3  # of losses after the updates, relative
_MODULE = "offctx.algos.context_inference."
_of_features = ContextEncoder.of_features  # of all windows at once


def against_rows(bench: Bench, rows_per_window: int) -> Measurement:
    """One update with batched adapters, against the same update by a loop over rows."""
    batches = drawn(bench, rows_per_window)
    alone = [each_row_for_itself(batch) for batch in batches]
    check_agreement(bench, batches, alone)
    ours, peer, milder = learner(bench), learner(bench), learner(bench)

    def by_row() -> float:
        with each_row_alone():
            return updates(peer, alone)()

    times = alternate(updates(ours, batches), by_row, bench.repeats)
    with adapters_by_row():
        milder_times = [updates(milder, alone)() for _ in range(min(bench.repeats, 2))]
    what = (
        f"one update of DMA*-SH on DoubleIntegrator, {ROWS} rows of 20 contexts, {rows_per_window} row(s) a window of {WINDOW} "
        f"transitions; ours: one z and one adapter a window, all in one product; peer: the same update by a Python loop over "
        f"rows, each of which has its window read, its adapter generated and its adapter applied by itself, in plain tensor "
        f"operations; what knows nothing of contexts stays in one batch; both sides reach the same losses. A milder loop, "
        f"which only applies adapters, with encoder and hypernetwork in one batch, takes {1000 * min(milder_times):.0f} ms "
        f"an update"
    )
    return Measurement(what, *times)


def against_sac(bench: Bench, rows_per_window: int) -> Measurement:
    """What an update costs, against one of d3rlpy's SAC."""
    batches = drawn(bench, rows_per_window)
    sac: Any = d3rlpy.algos.SACConfig(batch_size=ROWS).create()
    sac.build_with_dataset(buffer(bench))
    times = alternate(updates(learner(bench), batches), updates(sac, batches), bench.repeats, block=2)
    what = (
        f"ours: one update of DMA*-SH on DoubleIntegrator, {ROWS} rows of 20 contexts, {rows_per_window} row(s) a window of "
        f"{WINDOW}, the policy in every second one as in the paper; peer: one update of d3rlpy's SAC on the same rows, default "
        f"networks"
    )
    return Measurement(what, *times)


def buffer(bench: Bench) -> Any:
    """A buffer of random episodes in the 20 training contexts, which observations do not show."""
    return bench.double_integrator(bench.size(EPISODES)).replay_buffer(context="anonymous")


def learner(bench: Bench) -> Any:
    """DMA*-SH with its networks made: the same weights each time. Nothing is masked, so that both sides see the same."""
    d3rlpy.seed(0)
    made = dmash_preset("dma-star-sh", window=WINDOW, masking=0.0).create()
    made.build_with_dataset(buffer(bench))
    return made


def drawn(bench: Bench, rows_per_window: int) -> list[Any]:
    """Batches with their windows."""
    config = dmash_preset("dma-star-sh", window=WINDOW, rows_per_window=rows_per_window)
    windows = buffer(bench).with_history(config.history())
    return [windows.sample_transition_batch(ROWS) for _ in range(bench.size(UPDATES))]


def each_row_for_itself(batch: Any) -> Any:
    """The batch with the window of each row repeated, so that no two rows share one."""
    history = batch.history
    columns = {name: history.per_row(getattr(history, name)) for name in ("observations", "actions", "rewards", "mask")}
    columns["next_observations"] = history.per_row(history.next_observations)
    return dataclasses.replace(batch, history=dataclasses.replace(history, **columns, window_of_row=np.arange(ROWS)))


@dataclass(frozen=True)
class NumbersOfRows:
    """Generated adapters as a loop over rows has them: one vector of 16,672 numbers a row.

    Attributes:
        numbers: of each of the B rows (n,).
        width: w.
        bottleneck: b.
    """

    numbers: Sequence[Tensor]
    width: int
    bottleneck: int

    def detach(self) -> "NumbersOfRows":
        """The same, where no gradient reaches what made them."""
        return NumbersOfRows([numbers.detach() for numbers in self.numbers], self.width, self.bottleneck)


@contextmanager
def each_row_alone() -> Iterator[None]:
    """Within, each row has its window read, and its adapter generated and applied, by itself."""
    generate = mock.patch(_MODULE + "hypernetwork.Hypernetwork.forward", numbers_row_by_row)
    read = mock.patch(_MODULE + "encoder.ContextEncoder.of_features", latents_row_by_row)
    with read, generate, mock.patch(_MODULE + "conditioned.adapt", adapt_by_row):
        yield


@contextmanager
def adapters_by_row() -> Iterator[None]:
    """Within, networks apply their adapters one row at a time; encoder and hypernetwork take all rows at once."""
    generate = mock.patch(_MODULE + "hypernetwork.Hypernetwork.forward", numbers_of_rows)
    with generate, mock.patch(_MODULE + "conditioned.adapt", adapt_by_row):
        yield


def latents_row_by_row(encoder: ContextEncoder, features: Tensor, mask: Tensor) -> Latent:
    """z of each window (G, K, f) by a pass of its own."""
    z = torch.cat([_of_features(encoder, features[i : i + 1], mask[i : i + 1]).z for i in range(len(features))])
    return Latent(z, z)


def numbers_row_by_row(hypernetwork: Hypernetwork, z: Tensor) -> NumbersOfRows:
    """The adapter of each row by a pass of the hypernetwork of its own."""
    weight, bias = last_layer(hypernetwork)
    numbers = [hypernetwork.trunk(row[None])[0, 0] @ weight + bias for row in z]
    return NumbersOfRows(numbers, hypernetwork.width, hypernetwork.bottleneck)


def numbers_of_rows(hypernetwork: Hypernetwork, z: Tensor) -> NumbersOfRows:
    """The adapters of all rows by one pass of the hypernetwork."""
    weight, bias = last_layer(hypernetwork)
    numbers = torch.addmm(bias, hypernetwork.trunk(z)[0], weight).unbind()
    return NumbersOfRows(numbers, hypernetwork.width, hypernetwork.bottleneck)


def last_layer(hypernetwork: Hypernetwork) -> tuple[Tensor, Tensor]:
    """Weight (hidden, n) and bias (n,) of the last layer as one layer, as the public code has it."""
    last = hypernetwork.last
    return torch.cat([weight[0] for weight in last.weights], dim=-1), torch.cat([bias[0, 0] for bias in last.biases])


def adapt_by_row(features: Tensor, rows: NumbersOfRows) -> Tensor:
    """`adapt` by a loop over networks and rows."""
    return torch.stack([torch.stack(list(map(partial(adapt_row, rows), x.unbind(), rows.numbers))) for x in features])


def adapt_row(rows: NumbersOfRows, x: Tensor, numbers: Tensor) -> Tensor:
    """x + up( ReLU( down(x) ) ) of one row (w,), whose adapter has the given numbers (n,)."""
    w, b = rows.width, rows.bottleneck
    down, down_bias, up, up_bias = torch.split(numbers, [w * b, b, b * w, w])
    hidden = functional.relu(x @ down.view(w, b) + down_bias)
    return x + hidden @ up.view(b, w) + up_bias


def check_agreement(bench: Bench, batches: list[Any], alone: list[Any]) -> None:
    """That both sides reach the same losses from the same weights."""
    losses = []
    for side, seen in (("ours", batches), ("peer", alone)):
        made = learner(bench)
        torch.manual_seed(1)
        if side == "peer":
            with each_row_alone():
                losses.append([made.update(batch) for batch in seen])
        else:
            losses.append([made.update(batch) for batch in seen])
    for ours, expected in zip(*losses, strict=True):
        for name, loss in expected.items():
            assert abs(ours[name] - loss) <= TOLERANCE * max(abs(loss), 1e-2), f"{name}: {ours[name]} and {loss}"


def updates(learner: Any, batches: list[Any]) -> Contender:
    """A contender that updates a learner on each batch and returns the seconds of one update."""

    def work() -> None:
        for batch in batches:
            learner.update(batch)

    return lambda: timed(work) / len(batches)


RACES = (
    Race("dmash-rows", partial(against_rows, rows_per_window=1), target=5),
    Race("dmash-rows-12", partial(against_rows, rows_per_window=12), target=20),
    Race("dmash-sac", partial(against_sac, rows_per_window=12), target=350, percent=True),
)
