"""Derivatives of batched torch equations by automatic differentiation.

The outcome of a row is its next observation and its reward: `(state, action, context, *noise) -> (observation, reward)`.

Dimensions: M rows, s state, o observation, a action, p context, z noise coordinates.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor

Outcome = Callable[..., tuple[Tensor, Tensor]]


def context_derivatives(outcome: Outcome, rows: Sequence[Tensor], outcome_size: int) -> tuple[Tensor, Tensor]:
    """Total derivatives along the context, by one reverse pass.

    Args:
        outcome: the equations.
        rows: states (M, s), actions (M, a) or (M,), contexts (M, p) and, where stochastic, noise (M, z).
        outcome_size: o + 1.

    Returns:
        of next observations (M, o, p) and of rewards (M, p).
    """
    n, p = rows[2].shape
    # Each row once for each number of its outcome: one reverse pass then gives the gradients of all numbers. (Forward mode
    # needs fewer rows, but torch runs it through Python, which costs far more.)
    repeated = [row.repeat(outcome_size, *[1] * (row.ndim - 1)) for row in rows]
    contexts = repeated[2].requires_grad_()
    with torch.enable_grad():
        next_observations, rewards = outcome(*repeated)
        outcomes = torch.cat([next_observations, rewards[:, None]], dim=-1)
        chosen = outcomes.gather(1, torch.arange(outcome_size).repeat_interleave(n)[:, None]).sum()
    if not chosen.requires_grad:  # the equations do not depend on the context
        dtype = rows[2].dtype
        return torch.zeros(n, outcome_size - 1, p, dtype=dtype), torch.zeros(n, p, dtype=dtype)
    (gradient,) = torch.autograd.grad(chosen, contexts)
    derivatives = gradient.reshape(outcome_size, n, p).permute(1, 0, 2)
    return derivatives[:, :-1], derivatives[:, -1]


def directional_derivatives(
    outcome: Outcome, rows: Sequence[Tensor], tangents: Sequence[Tensor], noise: Sequence[Tensor]
) -> tuple[Tensor, Tensor]:
    """Derivatives along one direction for each row, by forward mode.

    Args:
        outcome: the equations.
        rows: states (M, s), actions (M, a) or (M,), and contexts (M, p).
        tangents: directions of the states (M, s), of the contexts (M, p) and, unless the actions are Discrete, of the
            actions (M, a).
        noise: (M, z) where stochastic, held fixed; else nothing.

    Returns:
        of next observations (M, o) and of rewards (M,).
    """
    state, action, context = rows

    def moved(s: Tensor, c: Tensor, a: Tensor = action) -> tuple[Tensor, Tensor]:
        return outcome(s, a, c, *noise)

    primals = (state, context, action)[: len(tangents)]
    dnext, dreward = cast(Any, torch.func.jvp(moved, primals, tuple(tangents)))[1]
    return dnext, dreward
