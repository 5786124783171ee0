"""CliffWalking with a slip probability as its context, a natural reading of the description in arXiv 2507.07348.

1. 5 rows of 6 columns, numbered along the rows from the top left; actions up, right, down, left. The start is the bottom
   left cell, state 24; the bottom row beyond it is four cliff cells and the goal in the bottom right corner, state 29.
2. The action's direction is taken with probability 1 - p, each of the other three with p/3.
3. A move against a wall stays where it is. There is no cost for a step.
4. Penalty and goal reward are paid once, on the move that enters the cell: a reward of (s, a, s'). The cliff and goal cells are
   absorbing and pay nothing from then on. (The start is not entered by falling: a fall ends the walk.)

T is linear in p, so that T_CE is exact for every p in (0, 1) and all error comes from the reward: none in family 0.

Dimensions: S states, A actions.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from offctx.contexts.space import ContextSpace
from offctx.linear.discounted import DiscountedCMDP, TabularError

CLIFF_ROWS, CLIFF_COLUMNS = 5, 6
CLIFF_START, CLIFF_GOAL = 24, 29
CLIFF_MOVES = {"up": (-1, 0), "right": (0, 1), "down": (1, 0), "left": (0, -1)}


def cliff_walking(family: int, *, gamma: float = 0.9) -> DiscountedCMDP:
    """CliffWalking: S = 30, A = 4; the context is the slip probability p in (0, 1), c0 = 0.1 (readings 4 to 7 above).

    | family | goal reward   | penalty      |
    |--------|---------------|--------------|
    | 0      | 1             | 100          |
    | 1      | 1 / p^2       | 100 / p      |
    | 2      | 1 / (1+p)^1.5 | 10 / (1 + p) |

    Args:
        family: 0, 1 or 2, the row of the table.
        gamma: the discount, in [0, 1).

    Returns:
        the contextual MDP.

    Raises:
        TabularError: no such family, or a discount outside [0, 1).
    """
    families: dict[int, Callable[[Tensor], tuple[Any, Any]]] = {
        0: lambda p: (1.0, 100.0),
        1: lambda p: (p**-2, 100 / p),
        2: lambda p: ((1 + p) ** -1.5, 10 / (1 + p)),
    }
    if family not in list(families):
        raise TabularError(f"CliffWalking has reward families {list(families)}; found {family!r}")
    landing = _cliff_landing()
    actions = len(CLIFF_MOVES)
    own = torch.eye(actions, dtype=torch.float64)
    states = torch.arange(CLIFF_ROWS * CLIFF_COLUMNS)
    live = (states <= CLIFF_START).double()[:, None, None]  # what is not absorbing: the bottom row beyond the start is
    goal = (states == CLIFF_GOAL).double()
    cliff = ((states > CLIFF_START) & (states < CLIFF_GOAL)).double()

    def transition(context: Tensor) -> Tensor:
        slip = context[0]
        direction = (1 - slip) * own + slip / (actions - 1) * (1 - own)
        return torch.einsum("ad,sdt->sat", direction, landing)

    def reward(context: Tensor) -> Tensor:
        goal_reward, penalty = families[family](context[0])
        entering: Tensor = live * (goal_reward * goal - penalty * cliff)
        return entering.expand(-1, actions, -1)

    space = ContextSpace(["p"], 0.0, 1.0, 0.1, constraints=["p > 0", "p < 1"])
    return DiscountedCMDP(transition, reward, space, gamma)


def _cliff_landing() -> Tensor:
    """Where a move in each direction ends: one-hot (S, 4, S), staying at walls and in absorbing cells."""
    states = np.arange(CLIFF_ROWS * CLIFF_COLUMNS)
    steps = np.array(list(CLIFF_MOVES.values()))
    cells = np.stack([states // CLIFF_COLUMNS, states % CLIFF_COLUMNS], axis=1)
    reached = np.clip(cells[:, None] + steps, 0, [CLIFF_ROWS - 1, CLIFF_COLUMNS - 1])
    numbers = reached[..., 0] * CLIFF_COLUMNS + reached[..., 1]
    numbers = np.where(states[:, None] > CLIFF_START, states[:, None], numbers)
    landing: Tensor = torch.eye(len(states), dtype=torch.float64)[torch.tensor(numbers)]
    return landing
