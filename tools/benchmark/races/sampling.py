"""A batch of transitions from memory, against d3rlpy's replay buffer."""

import offctx
from tools.benchmark.bench import BATCH, Bench, Size
from tools.benchmark.race import Measurement, Race
from tools.benchmark.timing import alternate_batches

CALLS = Size(full=200, quick=40)
LAZY_EPISODES = Size(full=5000, quick=5)
BLOCK = 20  # calls per turn


def sample(bench: Bench) -> Measurement:
    """`sample_transition_batch` of both buffers on the same transitions."""
    ours, peer = bench.buffers()
    times = alternate_batches(ours, peer, BATCH, _rounds(bench), BLOCK)
    what = (
        f"sample_transition_batch({BATCH}) of {ours.transition_count} transitions: our buffer, which also gathers contexts "
        f"and derivatives, against d3rlpy's ReplayBuffer(InfiniteBuffer()) holding the same transitions; one time per call"
    )
    return Measurement(what, *times)


def sample_lazy(bench: Bench) -> Measurement:
    """`sample_transition_batch` of a lazy dataset's buffer, whose table is in a file, and of the same in memory."""
    dataset = bench.dataset(bench.size(LAZY_EPISODES))
    lazy = offctx.load_dataset(dataset.dataset_id, lazy=True)
    ours, peer = (each.replay_buffer(augmentation=offctx.CSE(radius=0.1)) for each in (lazy, dataset))
    times = alternate_batches(ours, peer, BATCH, _rounds(bench), BLOCK)
    what = (
        f"sample_transition_batch({BATCH}) of {ours.transition_count} transitions with CSE: the buffer of a lazy dataset, its "
        f"table is mapped from a file, against the same buffer in memory; a ratio of 1 is the same speed; a time per call"
    )
    return Measurement(what, *times)


def _rounds(bench: Bench) -> int:
    return max(bench.size(CALLS), 40 * bench.repeats) // BLOCK


RACES = (Race("sample", sample, target=25), Race("sample-lazy", sample_lazy, target=0.8))
