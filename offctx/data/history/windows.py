"""The record of history windows: what a batch carries, and what an encoder is given.

Dimensions: B rows, G windows, K slots, D what the agent sees, o observation, a action, p context, s state, z noise, n outcomes.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from offctx.envs.base import Array
from offctx.errors import DatasetError

SHOWN = ("observations", "actions", "rewards", "next_observations")


@dataclass(frozen=True, eq=False)
class HistoryWindows:
    """G windows of K slots each. Slots are in order of time, the newest last; slots that are not filled are zero.

    The arrays are float32 NumPy arrays; `to_torch` gives the same record with tensors.

    Attributes:
        observations: what the agent saw (G, K, D).
        actions: (G, K, a), or (G, K, 1) where Discrete.
        rewards: (G, K, 1).
        next_observations: what it saw next (G, K, D).
        mask: True where a slot is filled (G, K).
        window_of_row: the window of each row of the batch (B,), integers; 0 to B - 1 unless rows share windows.
        dnext_observation_dcontext: (G, K, o, p), for augmentations that require it; else None, as are those that follow.
        dreward_dcontext: (G, K, p).
        states: simulator states (G, K, s).
        noise: of stochastic transitions (G, K, z).
        simulated_next_observations: in n other contexts (G, K, n, o), by `offctx.SimulatedOutcomes`; else None.
        simulated_rewards: likewise (G, K, n, 1).

    Example::

        windows = buffer.sample_transition_batch(240).history.to_torch()
        z = windows.per_row(encoder(windows))  # (240, d) from an encoder (G, K, ...) -> (G, d)
    """

    observations: Any
    actions: Any
    rewards: Any
    next_observations: Any
    mask: Any
    window_of_row: Any
    dnext_observation_dcontext: Any = None
    dreward_dcontext: Any = None
    states: Any = None
    noise: Any = None
    simulated_next_observations: Any = None
    simulated_rewards: Any = None

    @property
    def lengths(self) -> Any:
        """How many slots of each window are filled (G,)."""
        return self.mask.sum(1)

    def __len__(self) -> int:
        return len(self.mask)

    def per_row(self, values: Any) -> Any:
        """For each row (B, ...) the value of its window, out of values (G, ...)."""
        return values[self.window_of_row]

    def first_rows(self) -> Array:
        """The first row of the batch that has each window (G,)."""
        rows = np.unique(np.asarray(self.window_of_row), return_index=True)[1]
        if len(rows) != len(self):
            raise DatasetError(f"expected every window to serve a row; {len(self) - len(rows)} of {len(self)} serve none")
        return rows

    def to_torch(self, device: Any = None) -> "HistoryWindows":
        """The same windows as tensors on a device (the CPU unless given): float32, boolean masks and int64 indices."""
        arrays = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        tensors = {
            name: None if array is None else torch.from_numpy(np.ascontiguousarray(array)).to(device)
            for name, array in arrays.items()
        }
        return HistoryWindows(**tensors)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name} {tuple(getattr(self, name).shape)}" for name in (*SHOWN, "mask"))
        return f"HistoryWindows({shapes})"
