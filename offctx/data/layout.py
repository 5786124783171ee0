"""The dataset layout: plain Minari, plus one metadata key and a few infos.

An offctx dataset is a Minari dataset whose infos hold `context` (T+1, p) on every step and, optionally, the context
derivatives, where row t+1 belongs to transition t and row 0 is zero. All else stands in the metadata under "offctx".

Dimensions: E episodes, T steps of one, N = sum T transitions, R = N + E rows (each episode has one observation more),
o observation, p context.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from gymnasium import spaces

from offctx.contexts.space import Contexts
from offctx.envs.base import Array
from offctx.errors import DatasetError

CONTEXT = "context"
STATE = "state"
NOISE = "noise"
DNEXT = "dnext_observation_dcontext"
DREWARD = "dreward_dcontext"
DERROR = "derivative_error"
INFOS = (CONTEXT, STATE, NOISE, DNEXT, DREWARD, DERROR)


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
        infos: those of INFOS that there are, (R, ...).
        seeds: what `reset` was seeded with (E,), or None.
        options_context: the context that `reset` was asked for (E, p), or None.
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
        """Every array by a name, in a fixed order."""
        named = {
            "lengths": self.lengths,
            "observations": self.observations,
            "actions": self.actions,
            "rewards": self.rewards,
            "terminations": self.terminations,
            "truncations": self.truncations,
            **{f"infos/{name}": self.infos[name] for name in INFOS if name in self.infos},
            "seeds": self.seeds,
            "options_context": self.options_context,
        }
        return {name: array for name, array in named.items() if array is not None}

    def checksum(self) -> str:
        """SHA-256 over names, types, shapes and contents of all arrays; the same whatever file they come from."""
        digest = hashlib.sha256()
        for name, array in self.arrays().items():
            little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
            digest.update(f"{name}:{little.dtype.str}:{little.shape};".encode())
            digest.update(little.data)
        return digest.hexdigest()


def check_spaces(observation_space: spaces.Space[Any], action_space: spaces.Space[Any], dataset_id: str) -> None:
    """Refuse what the layout does not hold: anything but 1-D Box observations of a float type, Box or Discrete actions."""
    if not isinstance(observation_space, spaces.Box) or len(observation_space.shape) != 1:
        raise DatasetError(f"{dataset_id}: expected 1-D Box observations; found {observation_space}")
    if np.dtype(observation_space.dtype).kind != "f":
        raise DatasetError(f"{dataset_id}: expected observations of a float type; found {observation_space.dtype}")
    one_dimensional = isinstance(action_space, spaces.Box) and len(action_space.shape) == 1
    if not one_dimensional and not isinstance(action_space, spaces.Discrete):
        raise DatasetError(f"{dataset_id}: expected 1-D Box or Discrete actions; found {action_space}")


def check_episodes(episodes: Episodes, dataset_id: str) -> None:
    """Refuse numbers that are not finite and episodes that do not end where they say.

    Raises:
        DatasetError: names the array and the episode of the first fault.
    """
    steps = np.repeat(np.arange(len(episodes.lengths)), episodes.lengths)
    rows = np.repeat(np.arange(len(episodes.lengths)), episodes.lengths + 1)
    for name, array in episodes.arrays().items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            first = int(np.argwhere(~np.isfinite(array))[0][0])
            owner = {len(steps): steps, len(rows): rows}.get(len(array), np.arange(len(array)))
            raise DatasetError(f"{dataset_id}: {name} of episode {owner[first]} holds a number that is not finite")
    last = np.zeros(len(steps), dtype=bool)
    last[episodes.step_ends - 1] = True
    over = episodes.terminations | episodes.truncations
    if (over & ~last).any():
        episode = steps[np.flatnonzero(over & ~last)[0]]
        raise DatasetError(f"{dataset_id}: episode {episode} goes on after a step that terminated or truncated it")
    for name in (DNEXT, DREWARD, DERROR):
        first_rows = episodes.row_ends - episodes.lengths - 1
        if name in episodes.infos and episodes.infos[name][first_rows].any():
            raise DatasetError(f"{dataset_id}: row 0 of infos/{name} must be zero, as no transition leads there")


def episode_contexts(episodes: Episodes, dataset_id: str) -> Contexts | None:
    """The context of each episode (E, p) from the infos, else from the reset options, else None.

    Raises:
        DatasetError: a context changes within an episode, or infos and options disagree.
    """
    asked = episodes.options_context
    if CONTEXT not in episodes.infos:
        return None if asked is None else np.asarray(asked, dtype=np.float64)
    rows = np.asarray(episodes.infos[CONTEXT], dtype=np.float64)
    if rows.ndim != 2:
        raise DatasetError(f"{dataset_id}: infos/context must have shape (T+1, p); found rows of shape {rows.shape[1:]}")
    contexts: Contexts = rows[episodes.row_ends - 1]
    changed = (rows != np.repeat(contexts, episodes.lengths + 1, axis=0)).any(axis=1)
    if changed.any():
        episode = np.searchsorted(episodes.row_ends, np.flatnonzero(changed)[0], side="right")
        raise DatasetError(f"{dataset_id}: infos/context changes within episode {episode}; it must not")
    if asked is not None and asked.shape == contexts.shape and (asked != contexts).any():
        episode = np.flatnonzero((asked != contexts).any(axis=1))[0]
        raise DatasetError(f"{dataset_id}: infos/context and options/context of episode {episode} disagree")
    return contexts
