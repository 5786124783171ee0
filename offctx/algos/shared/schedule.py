"""PPPO's schedule: the order in which it visits the groups of contexts, and the phases of a turn.

Turn t = 0, 1, ... is that of group order[t mod n], and has first evaluation_steps, then improvement_steps updates.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

Phase = Literal["evaluation", "improvement"]


@dataclass(frozen=True)
class Turn:
    """The place of an update in the schedule.

    Attributes:
        number: t, from 0.
        group: i, the group of contexts whose turn it is.
        phase: "evaluation" or "improvement".
        step: how many updates of this phase came before.
    """

    number: int
    group: int
    phase: Phase
    step: int


class Schedule(nn.Module):
    """The turn of each update. The number of updates is a buffer of the module, so that it is saved with the learner.

    Args:
        groups: n.
        evaluation_steps: updates of each evaluation.
        improvement_steps: updates of each improvement.
        seed: of the order.
    """

    updates: Tensor

    def __init__(self, groups: int, evaluation_steps: int, improvement_steps: int, seed: int) -> None:
        super().__init__()
        self._evaluation, self._improvement = evaluation_steps, improvement_steps
        self.order: list[int] = np.random.default_rng(seed).permutation(groups).tolist()
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))
        self._n_updates = 0  # the same number for the host, so that no update reads `updates` from the device

    @property
    def now(self) -> Turn:
        """The turn of the next update."""
        number, step = divmod(self._n_updates, self._evaluation + self._improvement)
        group = self.order[number % len(self.order)]
        if step < self._evaluation:
            return Turn(number, group, "evaluation", step)
        return Turn(number, group, "improvement", step - self._evaluation)

    def advance(self) -> None:
        """Count one update."""
        self.updates += 1
        self._n_updates += 1

    def _load_from_state_dict(self, *args: Any, **options: Any) -> None:
        super()._load_from_state_dict(*args, **options)
        self._n_updates = int(self.updates)
