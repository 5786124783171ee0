"""Episodes as arrays of transitions: the form of flat copies and of loaded datasets, any part of which can be read alone.

Dimensions: E episodes, N transitions, R = N + E rows of `offctx.data.episodes.Episodes`.
"""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from offctx.data.episodes import STEP_ARRAYS, Episodes, array_header, little_endian
from offctx.data.layout import INFOS, STATE
from offctx.data.storage.scratch import Allocate, release
from offctx.envs.base import Array

BLOCK_BYTES = 16 << 20  # of arrays that are in memory at once
LENGTHS = "lengths"
_OF_EPISODES = ("seeds", "options_context")  # attributes of Episodes that are there or None


@dataclass(frozen=True)
class Transitions:
    """All that `Episodes` hold, one row a transition. `Transitions.of(episodes).to_episodes()` are the same episodes.

    Attributes:
        by_step: (N, ...) each: "observations", "next_observations", the names in STEP_ARRAYS, and "infos/<name>", the row of an
            info that belongs to a transition: the state before it, and what else there is after it.
        by_episode: (E, ...) each: "lengths"; "rest/<name>", the one row of an info that belongs to no transition: the last
            state, and row 0 of the others; "seeds" and "options_context" where there are any.
    """

    by_step: dict[str, Array]
    by_episode: dict[str, Array]

    @classmethod
    def of(cls, episodes: Episodes) -> "Transitions":
        """The transitions of episodes; arrays are copies but for those that have a row a transition anyway."""
        first_rows = episodes.first_rows
        begins, lasts = episodes.row_ends - episodes.lengths - 1, episodes.row_ends - 1
        by_step = {
            "observations": episodes.observations.take(first_rows, axis=0),
            "next_observations": episodes.observations.take(first_rows + 1, axis=0),
            **{name: getattr(episodes, name) for name in STEP_ARRAYS},
        }
        by_episode = {LENGTHS: episodes.lengths}
        for name, rows in episodes.infos.items():
            by_step[f"infos/{name}"] = rows.take(first_rows + (name != STATE), axis=0)
            by_episode[f"rest/{name}"] = rows.take(lasts if name == STATE else begins, axis=0)
        more = {name: getattr(episodes, name) for name in _OF_EPISODES}
        return cls(by_step, by_episode | {name: array for name, array in more.items() if array is not None})

    @property
    def lengths(self) -> Array:
        """Steps of each episode (E,)."""
        return self.by_episode[LENGTHS]

    @property
    def ends(self) -> Array:
        """Where each episode ends among the N transitions, exclusive (E,)."""
        return np.cumsum(self.lengths)

    def info(self, name: str) -> Array | None:
        """The rows of an info that belong to transitions (N, ...), or None."""
        return self.by_step.get(f"infos/{name}")

    def take(self, numbers: Array) -> "Transitions":
        """Some episodes (k,), in the order of their numbers: views where the numbers are successive, else copies."""
        rows = rows_of(self.ends, self.lengths, numbers)
        episodes = run_of(numbers)
        return Transitions(
            {name: array[rows] for name, array in self.by_step.items()},
            {name: array[numbers if episodes is None else episodes] for name, array in self.by_episode.items()},
        )

    def to_episodes(self) -> Episodes:
        """The episodes, all copied."""
        infos = {name.removeprefix("infos/") for name in self.by_step if name.startswith("infos/")}
        named: dict[str, Any] = {name: np.array(self.by_step[name]) for name in STEP_ARRAYS}
        named |= {name: np.array(self.by_episode[name]) for name in _OF_EPISODES if name in self.by_episode}
        return Episodes(
            lengths=np.array(self.lengths),
            observations=self.array("observations"),
            infos={name: self.array(f"infos/{name}") for name in INFOS if name in infos},
            **named,
        )

    def array(self, name: str) -> Array:
        """One array by its name in `Episodes.arrays`; those with R rows are copies."""
        if name == LENGTHS or name in _OF_EPISODES:
            return self.by_episode[name]
        if name in STEP_ARRAYS:
            return self.by_step[name]
        before = name in ("observations", f"infos/{STATE}")  # the row of a transition stands before it
        of_steps, lasts = self.by_step[name], np.cumsum(self.lengths + 1) - 1
        if name == "observations":
            last_rows = self.by_step["next_observations"][self.ends - 1]
        else:
            last_rows = self.by_episode[f"rest/{name.removeprefix('infos/')}"]
        out = np.empty((len(of_steps) + len(lasts), *of_steps.shape[1:]), of_steps.dtype)
        out[np.arange(len(of_steps)) + np.repeat(np.arange(len(lasts)), self.lengths) + (not before)] = of_steps
        out[lasts if before else lasts - self.lengths] = last_rows
        return out

    def names(self) -> list[str]:
        """The names of the arrays in `Episodes.arrays`, in their order."""
        infos = [f"infos/{name}" for name in INFOS if f"infos/{name}" in self.by_step]
        return [LENGTHS, "observations", *STEP_ARRAYS, *infos, *(name for name in _OF_EPISODES if name in self.by_episode)]

    def in_memory(self) -> "Transitions":
        """A copy whose arrays are in memory."""
        return Transitions(
            {name: np.array(array) for name, array in self.by_step.items()},
            {name: np.array(array) for name, array in self.by_episode.items()},
        )

    def blocks(self) -> Iterator["Transitions"]:
        """All episodes, some at a time; views. Of arrays that are mapped from files, one block is in memory at a time."""
        for begin, end in cut(self.lengths, self.step_bytes):
            yield self.take(np.arange(begin, end))
            self.release()

    def release(self) -> None:
        """Lets the system take back the memory of arrays that are mapped from files; they can be used as before."""
        release(*self.by_step.values(), *self.by_episode.values())

    @property
    def step_bytes(self) -> int:
        """What the arrays of one transition take."""
        return sum(row_bytes(array) for array in self.by_step.values())

    def checksum(self) -> str:
        """The SHA-256 that `Episodes.checksum` of the episodes is, with the memory of a block."""
        digest, rows = hashlib.sha256(), int(self.lengths.sum())
        for name in self.names():
            first = self.take(np.arange(1)).array(name)
            count = len(self.lengths) if name in self.by_episode else rows
            count += len(self.lengths) * (name not in self.by_episode and name not in STEP_ARRAYS)
            digest.update(array_header(name, little_endian(first).dtype, (count, *first.shape[1:])))
            for block in self.blocks():
                digest.update(little_endian(block.array(name)).data)
        return digest.hexdigest()


def run_of(numbers: Array) -> slice | None:
    """The slice that stands for ascending numbers (k,) where they are successive, else None."""
    if len(numbers) and int(numbers[-1]) - int(numbers[0]) == len(numbers) - 1 and bool((np.diff(numbers) == 1).all()):
        return slice(int(numbers[0]), int(numbers[-1]) + 1)
    return None


def rows_of(ends: Array, lengths: Array, numbers: Array) -> Any:
    """The transitions of some episodes: a slice where they are successive, else their row numbers.

    Args:
        ends: where each episode ends (E,).
        lengths: of each episode (E,).
        numbers: of the episodes (k,).
    """
    run = run_of(numbers)
    if run is not None:
        return slice(int(ends[run.start] - lengths[run.start]), int(ends[run.stop - 1]))
    chosen = lengths[numbers]
    begins = ends[numbers] - chosen
    return np.repeat(begins - (np.cumsum(chosen) - chosen), chosen) + np.arange(chosen.sum())


def take_rows(array: Array, ends: Array, lengths: Array, numbers: Array, allocate: Allocate) -> Array:
    """The transitions of some episodes, copied block by block; arguments as in `rows_of`.

    Args:
        array: (N, ...).
        ends: where each episode ends (E,).
        lengths: of each episode (E,).
        numbers: of the episodes (k,).
        allocate: makes the copy.
    """
    chosen = lengths[numbers]
    out, begin = allocate((int(chosen.sum()), *array.shape[1:]), array.dtype), 0
    for first, last in cut(chosen, row_bytes(array)):
        rows = array[rows_of(ends, lengths, numbers[first:last])]
        out[begin : begin + len(rows)] = rows
        begin += len(rows)
        release(array, out)
    return out


def repeat_rows(values: Array, lengths: Array, allocate: Allocate) -> Array:
    """A row for each transition (N, ...) from a row for each episode (E, ...), made block by block."""
    out, begin = allocate((int(lengths.sum()), *values.shape[1:]), values.dtype), 0
    for first, last in cut(lengths, row_bytes(values)):
        rows = np.repeat(values[first:last], lengths[first:last], axis=0)
        out[begin : begin + len(rows)] = rows
        begin += len(rows)
        release(out)
    return out


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


def row_bytes(array: Array) -> int:
    """What a row of an array (n, ...) takes."""
    return math.prod(array.shape[1:]) * array.dtype.itemsize
