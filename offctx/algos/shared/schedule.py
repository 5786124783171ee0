"""Whose turn it is: the order in which PPPO visits the environments, and the phases of a turn."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

Phase = Literal["evaluation", "improvement"]


@dataclass(frozen=True)
class Turn:
    """Where a learner stands.

    Attributes:
        number: t, from 0.
        group: i, the environment whose turn it is.
        phase: "evaluation" or "improvement".
        step: updates made in this phase.
    """

    number: int
    group: int
    phase: Phase
    step: int


class Schedule(nn.Module):
    """Counts updates, in a buffer that is saved, and tells the turn from their number.

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

    @property
    def now(self) -> Turn:
        """The turn of the next update."""
        number, step = divmod(int(self.updates), self._evaluation + self._improvement)
        group = self.order[number % len(self.order)]
        if step < self._evaluation:
            return Turn(number, group, "evaluation", step)
        return Turn(number, group, "improvement", step - self._evaluation)

    def advance(self) -> None:
        """One update has been made."""
        self.updates += 1

    def forward(self) -> None:
        """Not a network."""
        raise NotImplementedError("Schedule counts updates; it has no forward pass")
