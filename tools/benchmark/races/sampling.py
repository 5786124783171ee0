"""A batch of transitions from memory, against d3rlpy's replay buffer."""

from tools.benchmark.bench import BATCH, Bench, Size
from tools.benchmark.race import Measurement, Race
from tools.benchmark.timing import alternate, timed

CALLS = Size(full=200, quick=40)
BLOCK = 20  # calls per turn


def sample(bench: Bench) -> Measurement:
    """`sample_transition_batch` of both buffers on the same transitions."""
    ours, peer = bench.buffers()
    times = alternate(
        lambda: timed(lambda: ours.sample_transition_batch(BATCH)),
        lambda: timed(lambda: peer.sample_transition_batch(BATCH)),
        rounds=max(bench.size(CALLS), 40 * bench.repeats) // BLOCK,
        block=BLOCK,
    )
    what = (
        f"sample_transition_batch({BATCH}) of {ours.transition_count} transitions: our buffer, which also gathers contexts "
        f"and derivatives, against d3rlpy's ReplayBuffer(InfiniteBuffer()) holding the same transitions; one time per call"
    )
    return Measurement(what, *times)


RACES = (Race("sample", sample, target=25),)
