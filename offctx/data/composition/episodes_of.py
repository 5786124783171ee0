"""The episodes of a ContextualDataset as they are written, block by block, and the checksum that they have then.

Dimensions: E episodes, N transitions.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from offctx.data.checksums import SpooledChecksum
from offctx.data.episodes import STEP_ARRAYS, Episodes
from offctx.data.layout import CONTEXT, DERROR, DNEXT, DREWARD, NOISE, STATE
from offctx.data.transitions import LENGTHS, Transitions
from offctx.envs.base import Array

if TYPE_CHECKING:
    from offctx.data.dataset import ContextualDataset

BLOCK_BYTES = 16 << 20  # of arrays that are in memory at once
_AFTER = {  # infos that are zero in row 0
    NOISE: "noise",
    DNEXT: "dnext_observation_dcontext",
    DREWARD: "dreward_dcontext",
    DERROR: "derivative_errors",
}


def episodes_of(dataset: "ContextualDataset", begin: int, end: int) -> Episodes:
    """The episodes begin to end of a dataset, copied."""
    starts, ends = dataset.episode_starts[begin:end], dataset.episode_ends[begin:end]
    rows = slice(int(starts[0]), int(ends[-1]))
    contexts = dataset.contexts[starts]
    by_step = {name: getattr(dataset, name)[rows] for name in ("observations", "next_observations", *STEP_ARRAYS)}
    by_step[f"infos/{CONTEXT}"] = dataset.contexts[rows]
    by_episode = {LENGTHS: ends - starts, f"rest/{CONTEXT}": contexts, "options_context": contexts}
    if dataset.states is not None and dataset.episode_last_states is not None:
        by_step[f"infos/{STATE}"] = dataset.states[rows]
        by_episode[f"rest/{STATE}"] = dataset.episode_last_states[begin:end]
    for name, attribute in _AFTER.items():
        array = getattr(dataset, attribute)
        if array is not None:
            by_step[f"infos/{name}"] = array[rows]
            by_episode[f"rest/{name}"] = np.zeros((end - begin, *array.shape[1:]), array.dtype)
    if dataset.episode_seeds is not None:
        by_episode["seeds"] = dataset.episode_seeds[begin:end]
    return Transitions(by_step, by_episode).to_episodes()


def blocks_of(dataset: "ContextualDataset") -> Iterator[Episodes]:
    """All episodes of a dataset, some at a time."""
    arrays = [value for value in vars(dataset).values() if isinstance(value, np.ndarray) and len(value) == len(dataset)]
    size = sum(array.nbytes for array in arrays) / max(len(dataset), 1)
    for begin, end in cut(dataset.episode_ends - dataset.episode_starts, size):
        yield episodes_of(dataset, begin, end)


def cut(lengths: Array, size: float) -> Iterator[tuple[int, int]]:
    """Ranges [begin, end) of episodes whose arrays take about BLOCK_BYTES, at least one episode each.

    Args:
        lengths: steps of each episode (E,).
        size: bytes of one step.
    """
    ends, begin = np.cumsum(lengths) * size, 0
    while begin < len(lengths):
        before = ends[begin - 1] if begin else 0.0
        end = max(int(np.searchsorted(ends, before + BLOCK_BYTES, side="right")), begin + 1)
        yield begin, end
        begin = end


def checksum_of(dataset: "ContextualDataset") -> str:
    """The SHA-256 that the data of a dataset have once they are written: `Episodes.checksum`, with the memory of a block."""
    with tempfile.TemporaryDirectory(prefix="offctx-") as folder:
        checksum = SpooledChecksum(Path(folder) / "arrays")
        for episodes in blocks_of(dataset):
            checksum.update(episodes)
        return checksum.finish()
