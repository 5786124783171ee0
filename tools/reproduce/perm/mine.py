"""Mine: procedurally generated levels with walls and diamonds, after the game Miner of Procgen (arXiv 1912.01588).

Dimensions: N rows, G cells along a side, W = 2 G - 1 cells along a side of the view.
"""

from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from offctx.contexts.space import Contexts, ContextSpace
from offctx.envs.base import ContextualEnv

Array = NDArray[Any]

LEVELS = 2**24  # level numbers, which float32 holds exactly
_SIDE = 7  # G
_CELLS = _SIDE**2
_REACH = _SIDE - 1  # of the view to each side: it holds the whole level from everywhere
_VIEW = 2 * _REACH + 1  # W
_MOVES = np.array([(-1, 0), (1, 0), (0, -1), (0, 1)])
_WALLS = 0.3  # the chance that a cell is a wall
_DIAMONDS = (2, 6)  # the fewest and the most of a level
_BONUS = 3.0  # for the last diamond


class Mine(ContextualEnv):
    """A miner moves in four directions through a G x G level and collects diamonds.

    Each diamond gives 1; with the last one, the episode ends with a bonus of 3. A move into a wall changes nothing. The
    context is the number of the level, which decides walls, diamonds and start. The observation is the level as the miner
    sees it, with the miner in the middle: where walls are, and where diamonds are left.

    State: row, column, walls (G^2), diamonds (G^2). Observation: walls and diamonds in a view of W x W cells.
    """

    context_space = ContextSpace(["level"], 0, LEVELS - 1, 0, discrete=["level"])
    observation_space: ClassVar[spaces.Box] = spaces.Box(0.0, 1.0, (2 * _VIEW**2,), np.float32)  # type: ignore[misc]  # one for all
    action_space: ClassVar[spaces.Discrete] = spaces.Discrete(4)  # type: ignore[misc]  # one for all

    def initial_state(self, rng: np.random.Generator, context: Contexts) -> Array:
        """The level's own start, the same in every episode."""
        return level(int(context[0])).copy()

    def simulate(
        self, states: Array, actions: Array, contexts: Contexts, noise: Array | None = None
    ) -> tuple[Array, Array, Array]:
        """One move in each of N mines."""
        rows, places, walls, diamonds = np.arange(len(states)), *_parts(states)
        targets = places + _MOVES[actions]
        inside = ((targets >= 0) & (targets < _SIDE)).all(axis=1)
        cells = np.where(inside, targets @ (_SIDE, 1), 0)
        free = inside & (walls[rows, cells] == 0)
        collected = free & (diamonds[rows, cells] == 1)
        after = states.copy()
        after[free, :2] = targets[free]
        after[rows[collected], 2 + _CELLS + cells[collected]] = 0
        done = collected & (diamonds.sum(axis=1) == 1)
        return after, collected + _BONUS * done, done

    def observations(self, states: Array) -> Array:
        """The views (N, 2 W^2) of states."""
        places, walls, diamonds = _parts(states)
        maps = np.zeros((len(states), 2, _SIDE + 2 * _REACH, _SIDE + 2 * _REACH), np.float32)
        maps[:, 0] = 1  # outside there is wall
        within = slice(_REACH, _REACH + _SIDE)
        maps[:, 0, within, within] = walls.reshape(-1, _SIDE, _SIDE)
        maps[:, 1, within, within] = diamonds.reshape(-1, _SIDE, _SIDE)
        windows = np.lib.stride_tricks.sliding_window_view(maps, (_VIEW, _VIEW), axis=(2, 3))
        views: Array = windows[np.arange(len(states)), :, places[:, 0], places[:, 1]]
        return views.reshape(len(states), -1)


def _parts(states: Array) -> tuple[Array, Array, Array]:
    """Places (N, 2), walls (N, G^2) and diamonds (N, G^2) of states."""
    return states[:, :2].astype(np.intp), states[:, 2 : 2 + _CELLS], states[:, 2 + _CELLS :]


@lru_cache(maxsize=4096)
def level(number: int) -> Array:
    """The start state of a level: every diamond can be reached."""
    rng = np.random.default_rng([number, 9])
    while True:
        walls = rng.random(_CELLS) < _WALLS
        start = int(rng.integers(_CELLS))
        walls[start] = False
        reachable = np.flatnonzero(np.isfinite(steps_to(_marked(start), walls[None])[0]))
        wanted = int(rng.integers(_DIAMONDS[0], _DIAMONDS[1] + 1))
        if len(reachable) > 2 * wanted:
            break
    diamonds = np.zeros(_CELLS)
    diamonds[rng.choice(reachable[reachable != start], wanted, replace=False)] = 1
    return np.concatenate([divmod(start, _SIDE), walls, diamonds]).astype(np.float64)


def _marked(cell: int) -> Array:
    marks = np.zeros((1, _CELLS), dtype=bool)
    marks[0, cell] = True
    return marks


def steps_to(goals: Array, walls: Array) -> Array:
    """The moves from each cell to the nearest goal, inf where there is none.

    Args:
        goals: booleans (N, cells) of square maps.
        walls: booleans (N, cells).

    Returns:
        (N, cells).
    """
    side = round(goals.shape[1] ** 0.5)
    steps = np.full((len(goals), side + 2, side + 2), np.inf)
    inner = steps[:, 1:-1, 1:-1]
    inner[goals.reshape(-1, side, side)] = 0
    blocked = walls.reshape(-1, side, side)
    while True:
        nearest = 1 + np.minimum.reduce([steps[:, :-2, 1:-1], steps[:, 2:, 1:-1], steps[:, 1:-1, :-2], steps[:, 1:-1, 2:]])
        better = (nearest < inner) & ~blocked
        if not better.any():
            return inner.reshape(len(goals), -1)
        inner[better] = nearest[better]


def nearest_diamond(observations: Array) -> Array:
    """A good policy: the move (N,) that shortens the way to the nearest diamond, for observations (N, 2 W^2)."""
    walls, diamonds = (observations[:, : _VIEW**2] > 0, observations[:, _VIEW**2 :] > 0)
    steps = steps_to(diamonds, walls).reshape(-1, _VIEW, _VIEW)
    steps[walls.reshape(steps.shape)] = np.inf
    neighbours = _REACH + _MOVES
    moves: Array = steps[:, neighbours[:, 0], neighbours[:, 1]].argmin(axis=1)
    return moves
