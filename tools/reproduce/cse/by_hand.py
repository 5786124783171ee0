"""Damped feedback with gains set by hand: a policy without training that is not told the context.

    a = centre + half width * clip(D (-kp p - kd v), -1, 1)

p are the observed positions, v their velocities, and row k of D is the direction (of unit length) in which action k pushes the
velocities at c0. The target is the origin of the positions. The gains are given and are not searched; they are in the
observation's own units. Which observations are positions and velocities is measured on random transitions at c0.

The policy is no null control: it knows which observations are positions, and that the origin is the target. It shows what can
be done without the context.

Dimensions: N rows, o observation, a action, n positions.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from offctx.envs.base import Array, ContextualEnv
from offctx.envs.random_transitions import Rows, random_transitions
from offctx.envs.resolve import resolve
from offctx.errors import EnvError

Floats = NDArray[np.float64]
Act = Callable[[Array, Array, np.random.Generator], Floats]

_CLOSE = 0.05  # a step is explained by a velocity where the rest is below this part of the median step
_MOST_ROWS = 0.5  # of the transitions must be explained: walls, wraps and contacts are exceptions
_LEAST_PUSH = 1e-3  # of the velocity's spread, and of what the strongest action changes: what counts as a push


class Gains(NamedTuple):
    """The gains of damped feedback.

    Attributes:
        kp: of positions.
        kd: of velocities.
    """

    kp: float
    kd: float

    def __str__(self) -> str:
        return f"a = clip(-{self.kp:g} p - {self.kd:g} v, -1, 1)".replace("-1 p", "-p")


GAINS = Gains(kp=1.0, kd=4.0)  # round numbers, set by hand on RotatedThrusters; not searched


class Motion(NamedTuple):
    """What feedback uses of an observation.

    Attributes:
        positions: their indices (n,).
        velocities: the index of each position's velocity (n,).
        directions: in which each action pushes the velocities at c0 (a, n); rows of unit length, or 0.
    """

    positions: NDArray[np.intp]
    velocities: NDArray[np.intp]
    directions: Floats


def damped_feedback(env: str, gains: Gains) -> Act:
    """The policy, a function of observations without the context.

    Args:
        env: Gymnasium id.
        gains: of positions and velocities.

    Raises:
        EnvError: the environment has no continuous actions, or no positions and velocities that actions push.
    """
    found, actions = motion(env), resolve(env).env.action_space
    assert isinstance(actions, spaces.Box)
    centre, half = (actions.high + actions.low) / 2, (actions.high - actions.low) / 2

    def act(observations: Array, contexts: Array, rng: np.random.Generator) -> Floats:
        plain = np.asarray(observations, np.float64)
        wanted = -gains.kp * plain[:, found.positions] - gains.kd * plain[:, found.velocities]
        return np.asarray(centre + half * np.clip(wanted @ found.directions.T, -1, 1))

    return act


def has_positions_and_velocities(env: str) -> bool:
    """Whether damped feedback by hand can be played."""
    try:
        motion(env)
    except EnvError:
        return False
    return True


def motion(env: str) -> Motion:
    """The positions and velocities in the observation of an environment, measured on random transitions at c0.

    A pair is a position and a velocity where most steps of the position are the velocity before them, after them, or their
    mean, times one positive number, and where an action changes the velocity. Of several positions with one velocity, the first
    counts.

    Args:
        env: Gymnasium id.

    Raises:
        EnvError: the environment has no continuous actions with bounds, or no such pair.
    """
    resolved = resolve(env)
    family = resolved.env
    if not isinstance(family.action_space, spaces.Box):
        raise EnvError(f"expected continuous actions for feedback by hand; {env} has {family.action_space}")
    rows, _ = random_transitions(resolved, 0)
    before = np.asarray(family.observations(rows.states), np.float64)
    after = _next_observations(family, rows, rows.actions)
    pushes = _pushes(family, rows, after)
    pushed = np.abs(pushes).max(axis=0) > _LEAST_PUSH * np.maximum(before.std(axis=0), 1e-12)
    pairs = _pairs(before, after, pushed)
    if not pairs:
        raise EnvError(
            "expected positions and their velocities in the observation for feedback by hand (a step of a position is its "
            "velocity times a fixed number), and actions that push them; found none in the "
            f"{before.shape[1]} observations of {env}"
        )
    positions, velocities = np.array(pairs, np.intp).T
    directions = pushes[:, velocities]
    lengths = np.linalg.norm(directions, axis=1, keepdims=True)
    unit = np.divide(directions, lengths, out=np.zeros_like(directions), where=lengths > _LEAST_PUSH * lengths.max())
    return Motion(positions, velocities, unit.round(6) + 0.0)


def _next_observations(family: ContextualEnv, rows: Rows, actions: Array) -> Floats:
    """The observations (N, o) after these actions at c0, with the noise of the rows."""
    contexts = np.broadcast_to(family.context_space.default, rows.contexts.shape)
    next_states, _, _ = family.simulate(rows.states, actions, contexts, rows.noise)
    return np.asarray(family.observations(next_states), np.float64)


def _pushes(family: ContextualEnv, rows: Rows, after: Floats) -> Floats:
    """What half the range of each action changes in the next observation (a, o), by least squares from other actions."""
    assert isinstance(family.action_space, spaces.Box)
    half = (family.action_space.high - family.action_space.low) / 2
    others = rows.actions[np.random.default_rng(0).permutation(len(rows.actions))]
    change = _next_observations(family, rows, others) - after
    return np.asarray(np.linalg.lstsq((others - rows.actions) / half, change, rcond=None)[0])


def _pairs(before: Floats, after: Floats, pushed: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Position and velocity of each pair: a position with the velocity that explains most of its steps."""
    pairs: dict[int, int] = {}  # velocity -> position
    for position, steps in enumerate((after - before).T):
        shares = [
            _explained(steps, before[:, velocity], after[:, velocity]) if pushed[velocity] and velocity != position else 0.0
            for velocity in range(before.shape[1])
        ]
        if max(shares) >= _MOST_ROWS:
            pairs.setdefault(int(np.argmax(shares)), position)
    return sorted((position, velocity) for velocity, position in pairs.items())


def _explained(steps: Floats, before: Floats, after: Floats) -> float:
    """The share of steps (N,) of an observation that are one positive number times another: before, after or in the mean."""
    typical = float(np.median(np.abs(steps)))
    if typical == 0:
        return 0.0
    shares = [0.0]
    for velocity in (before, after, (before + after) / 2):
        clear = np.abs(velocity) > 0.1 * np.median(np.abs(velocity))
        factor = float(np.median(steps[clear] / velocity[clear])) if clear.any() else 0.0
        if factor > 0:
            shares.append(float((np.abs(steps - factor * velocity) <= _CLOSE * typical).mean()))
    return max(shares)
