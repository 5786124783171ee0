"""From a dataset id to a buffer that has sampled one batch, against d3rlpy's Minari loader."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import d3rlpy

import offctx
from offctx.data.storage.ids import FLAT_COPIES
from tools.benchmark.bench import BATCH, Bench, Size
from tools.benchmark.race import Measurement, Race
from tools.benchmark.timing import alternate, timed

EPISODES = Size(full=1000, quick=5)


def load(bench: Bench, cache: str, before_ours: Callable[[], None]) -> Measurement:
    """`load_dataset` and d3rlpy's `get_minari` on one dataset.

    Args:
        bench: what races share.
        cache: in words, whether the flat copy of the dataset exists.
        before_ours: called before each load of ours, and not timed.
    """
    dataset = bench.dataset(bench.size(EPISODES))

    def ours() -> float:
        before_ours()
        return timed(lambda: offctx.load_dataset(dataset.dataset_id).replay_buffer().sample_transition_batch(BATCH))

    def peer() -> float:
        return timed(lambda: d3rlpy.datasets.get_minari(dataset.dataset_id)[0].sample_transition_batch(BATCH))

    times = alternate(ours, peer, bench.repeats)
    what = (
        f"from a dataset id to a buffer that has sampled one batch of {BATCH}: offctx.load_dataset(id).replay_buffer(), "
        f"{cache}, against d3rlpy.datasets.get_minari(id), on one file of {len(dataset)} transitions in "
        f"{dataset.num_episodes} episodes that the system has read before; ours reads contexts and derivatives too"
    )
    return Measurement(what, *times)


def load_first(bench: Bench) -> Measurement:
    """Loading a dataset that was never loaded before."""
    return load(bench, "its flat copy not there yet, checked and written", remove_flat_copies)


def load_second(bench: Bench) -> Measurement:
    """Loading a dataset again."""
    offctx.load_dataset(bench.dataset(bench.size(EPISODES)).dataset_id)
    return load(bench, "its flat copy there from an earlier load", lambda: None)


def remove_flat_copies() -> None:
    """Remove the flat copies that `load_dataset` keeps for the next load."""
    shutil.rmtree(Path(os.environ["MINARI_DATASETS_PATH"]) / FLAT_COPIES, ignore_errors=True)


RACES = (Race("load-first", load_first, target=1.5), Race("load-second", load_second, target=20))
