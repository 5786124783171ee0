"""Episodes as arrays of transitions: the form of flat copies and of loaded datasets, any part of which can be read alone.

Dimensions: E episodes, N transitions, R = N + E rows of `offctx.data.episodes.Episodes`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from offctx.data.episodes import STEP_ARRAYS, Episodes
from offctx.data.layout import INFOS, STATE
from offctx.envs.base import Array

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
        lengths = np.array(self.lengths)
        lasts = np.cumsum(lengths + 1) - 1
        begins = lasts - lengths
        first_rows = np.arange(lengths.sum()) + np.repeat(np.arange(len(lengths)), lengths)

        def rows(of_steps: Array, of_episodes: Array, before: bool) -> Array:
            out = np.empty((len(of_steps) + len(lengths), *of_steps.shape[1:]), of_steps.dtype)
            out[first_rows + (not before)] = of_steps
            out[lasts if before else begins] = of_episodes
            return out

        last_observations = self.by_step["next_observations"][self.ends - 1]
        named: dict[str, Any] = {name: np.array(self.by_step[name]) for name in STEP_ARRAYS}
        named |= {name: np.array(self.by_episode[name]) for name in _OF_EPISODES if name in self.by_episode}
        return Episodes(
            lengths=lengths,
            observations=rows(self.by_step["observations"], last_observations, True),
            infos={
                name: rows(self.by_step[f"infos/{name}"], self.by_episode[f"rest/{name}"], name == STATE)
                for name in INFOS
                if f"infos/{name}" in self.by_step
            },
            **named,
        )


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


def ids_by_first_appearance(rows: Array) -> Array:
    """The id of each row (E,) of an array (E, p) or (E,): equal ones share one, numbered in the order in which they appear."""
    _, first, inverse = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    ids = np.empty(len(first), dtype=np.int64)
    ids[np.argsort(first)] = np.arange(len(first))
    return ids[np.ravel(inverse)]
