"""All episodes of a dataset as arrays end to end: the form in which datasets are written, read and checked.

Dimensions: E episodes, T steps of one, N = sum T transitions, R = N + E rows (each episode has one observation more),
o observation, a action, p context.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from offctx.data.layout import DERROR, DNEXT, DREWARD, INFOS
from offctx.envs.base import Array
from offctx.errors import DatasetError

_LARGEST = float(np.finfo(np.float32).max)  # learners compute in float32; what is larger would become infinite there
STEP_ARRAYS = ("actions", "rewards", "terminations", "truncations")


@dataclass(frozen=True)
class Episodes:
    """All episodes of a dataset end to end.

    Attributes:
        lengths: steps of each episode (E,).
        observations: (R, o); episode e has lengths[e] + 1 rows.
        actions: (N, a), or (N,) where Discrete.
        rewards: (N,).
        terminations: booleans (N,).
        truncations: booleans (N,).
        infos: from names in INFOS to arrays (R, ...).
        seeds: the seeds of `env.reset` (E,), or None.
        options_context: the contexts in the options of `env.reset` (E, p), or None.
    """

    lengths: Array
    observations: Array
    actions: Array
    rewards: Array
    terminations: Array
    truncations: Array
    infos: dict[str, Array] = field(default_factory=dict)
    seeds: Array | None = None
    options_context: Array | None = None

    @property
    def step_ends(self) -> Array:
        """Where each episode ends among the N transitions, exclusive (E,)."""
        return np.cumsum(self.lengths)

    @property
    def row_ends(self) -> Array:
        """Where each episode ends among the R rows, exclusive (E,)."""
        return np.cumsum(self.lengths + 1)

    @property
    def first_rows(self) -> Array:
        """The row of each transition's observation (N,); the next row holds its next observation and infos."""
        return np.arange(self.lengths.sum()) + np.repeat(np.arange(len(self.lengths)), self.lengths)

    def arrays(self) -> dict[str, Array]:
        """Every array by its name, in a fixed order."""
        named = {
            "lengths": self.lengths,
            "observations": self.observations,
            **{name: getattr(self, name) for name in STEP_ARRAYS},
            **{f"infos/{name}": self.infos[name] for name in INFOS if name in self.infos},
            "seeds": self.seeds,
            "options_context": self.options_context,
        }
        return {name: array for name, array in named.items() if array is not None}

    def checksum(self) -> str:
        """SHA-256 over names, types, shapes and contents of all arrays; it does not depend on the file format."""
        digest = hashlib.sha256()
        for name, array in self.arrays().items():
            ordered = little_endian(array)
            digest.update(array_header(name, ordered.dtype, ordered.shape))
            digest.update(ordered.data)
        return digest.hexdigest()


def little_endian(array: Array) -> Array:
    """The array as its checksum reads it: contiguous, the lowest byte first."""
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))


def array_header(name: str, dtype: Any, shape: tuple[int, ...]) -> bytes:
    """What the checksum reads before the bytes of an array."""
    return f"{name}:{dtype.str}:{shape};".encode()


def check_episodes(episodes: Episodes, dataset_id: str, numbers: Array | None = None) -> None:
    """Checks that numbers are finite in float32, that episodes end at their last step, and that row 0 of derivatives is zero.

    Args:
        episodes: E episodes.
        dataset_id: for messages.
        numbers: of the episodes in their dataset (E,), for messages; 0 to E - 1 where not given.

    Raises:
        DatasetError: names the array and the episode of the first fault.
    """
    known = np.arange(len(episodes.lengths)) if numbers is None else numbers
    step_episodes = np.repeat(known, episodes.lengths)
    _check_finite(episodes, known, dataset_id)
    before_last = np.ones(len(step_episodes), dtype=bool)
    before_last[episodes.step_ends - 1] = False
    too_early = (episodes.terminations | episodes.truncations) & before_last
    if too_early.any():
        episode = step_episodes[np.flatnonzero(too_early)[0]]
        raise DatasetError(f"{dataset_id}: episode {episode} goes on after a step that terminated or truncated it")
    first_rows = episodes.row_ends - episodes.lengths - 1
    for name in (DNEXT, DREWARD, DERROR):
        if name in episodes.infos and episodes.infos[name][first_rows].any():
            raise DatasetError(f"{dataset_id}: row 0 of infos/{name} must be zero, as no transition leads there")


def _in_range(array: Array) -> bool:
    """Whether all numbers are finite in float32. The least and the largest number of an array with NaN are NaN."""
    return not array.size or (float(array.min()) >= -_LARGEST and float(array.max()) <= _LARGEST)


def _check_finite(episodes: Episodes, numbers: Array, dataset_id: str) -> None:
    owners = {len(rows): rows for rows in (numbers, *(np.repeat(numbers, episodes.lengths + k) for k in (1, 0)))}
    for name, array in episodes.arrays().items():
        if array.dtype.kind == "f" and not _in_range(array):
            first = int(np.argwhere(~(np.abs(array.astype(np.float64)) <= _LARGEST))[0][0])
            episode = owners[len(array)][first]
            raise DatasetError(
                f"{dataset_id}: {name} of episode {episode} holds a number that is not finite, or beyond float32"
            )
