"""Drawing rows with their history windows, against the update of a learner."""

from typing import Any

import d3rlpy

import offctx
from tools.benchmark.bench import Bench, Size
from tools.benchmark.race import Measurement, Race
from tools.benchmark.timing import alternate, timed

ROWS, WINDOW = 240, 128
CONTEXTS = 20
EPISODES = Size(full=25, quick=1)  # of each context
CALLS = Size(full=200, quick=20)
BLOCK = 5  # calls per turn


def history(bench: Bench, settings: offctx.History) -> Measurement:
    """`sample_transition_batch` with windows, against an update of SAC with the same rows."""
    dataset = bench.contextual(CONTEXTS, bench.size(EPISODES))
    buffer = dataset.replay_buffer(context="hidden", history=settings)
    learner: Any = d3rlpy.algos.SACConfig(batch_size=ROWS).create()
    learner.build_with_dataset(buffer)
    batch = buffer.sample_transition_batch(ROWS)
    assert batch.history is not None and batch.history.mask.shape == (ROWS, WINDOW)
    times = alternate(
        lambda: timed(lambda: buffer.sample_transition_batch(ROWS)),
        lambda: timed(lambda: learner.update(batch)),
        rounds=max(bench.size(CALLS), 20 * bench.repeats) // BLOCK,
        block=BLOCK,
    )
    what = (
        f"sample_transition_batch({ROWS}) with windows of {WINDOW} ({settings}), each row its own, from {len(dataset)} "
        f"transitions of {CONTEXTS} contexts, against one update of d3rlpy's SAC with {ROWS} rows; one time per call"
    )
    return Measurement(what, *times)


RACES = (
    Race("history", lambda bench: history(bench, offctx.History(WINDOW, "context")), target=10, percent=True),
    Race("history-random", lambda bench: history(bench, offctx.History(WINDOW, "context", "random")), target=10, percent=True),
)
