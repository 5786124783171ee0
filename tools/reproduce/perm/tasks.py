"""The contextual tasks: environments, distributions of contexts, and behaviour policies.

Dimensions: n contexts, p context, N rows, o observation, a action.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from gymnasium.wrappers import TimeLimit
from numpy.typing import NDArray

from offctx.contexts.space import Contexts
from offctx.envs.resolve import EnvLike
from tools.reproduce.perm.dosing import Dosing
from tools.reproduce.perm.mine import LEVELS, Mine

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ContextualTask:
    """Environments with a distribution of contexts.

    Attributes:
        name: in reports and on the command line.
        env: a Gymnasium id or a factory.
        draw: (rng, n) -> contexts (n, p). Training and unseen contexts come from this one distribution.
        episodes: of a dataset, per context on average.
        noise: standard deviation of the noise that is added to the actions of the behaviour.
        gamma: discount.
        text: description for the report.
    """

    name: str
    env: EnvLike
    draw: Callable[[np.random.Generator, int], Contexts]
    episodes: int
    noise: float
    gamma: float
    text: str


@dataclass(frozen=True)
class ArrangedTask(ContextualTask):
    """A task with two behaviour policies, of which data are arranged.

    Attributes:
        ease: contexts (N, p) -> (N,) in [0, 1]: how high the returns of a context are, whatever the policy does.
        good: observations (N, o) -> actions (N, a) of a good policy, before noise.
        poor: the same of a poor policy.
        bound: actions are in [-bound, bound].
    """

    ease: Callable[[Contexts], Floats]
    good: Callable[[Floats], Floats]
    poor: Callable[[Floats], Floats]
    bound: float


def _constant(x: float, y: float) -> Callable[[Floats], Floats]:
    """A policy of SimpleDirection: the same action everywhere."""
    return lambda observations: np.tile([x, y], (len(observations), 1))


def _pendulum_contexts(rng: np.random.Generator, n: int) -> Contexts:
    """Gravity, mass and length that the motor can overcome, and torques of both signs."""
    g, m, l = rng.uniform((1.0, 0.8, 0.8), (3.0, 1.2, 1.2), (n, 3)).T
    tau = np.clip(rng.uniform(-0.9, 0.9, n) * g * m * l, -1, 1)
    return np.stack([g, m, l, tau], axis=1)


def _relative_torque(contexts: Contexts) -> Floats:
    """|tau| over the largest torque of gravity, m g l."""
    g, m, l, tau = contexts.T
    relative: Floats = np.abs(tau) / (g * m * l)
    return relative


def _hold_at(goal: float) -> Callable[[Floats], Floats]:
    """A policy of PendulumGoal: hold the pendulum near an angle [rad]."""

    def policy(observations: Floats) -> Floats:
        cos, sin, theta_dot = observations.T
        error = np.angle(np.exp(1j * (np.arctan2(sin, cos) - goal)))
        actions: Floats = np.clip(-4 * error - 1.2 * theta_dot, -2, 2)[:, None]
        return actions

    return policy


SIMPLE_DIRECTION = ArrangedTask(
    name="SimpleDirection",
    env="offctx/SimpleDirection-v0",
    draw=lambda rng, n: rng.uniform((0.0, -0.5), (1.0, 0.5), (n, 2)),
    ease=lambda contexts: contexts[:, 0],
    good=_constant(0.7, 0.0),
    poor=_constant(-0.7, 0.0),
    bound=1.0,
    episodes=66,
    noise=0.4,
    gamma=0.9,
    text="c is uniform in [0, 1] x [-0.5, 0.5]. A strong drift along x gives high rewards by itself. The behaviour pushes "
    "against a strong drift (-0.7 along x) and along a weak one (+0.7). The best action in all contexts is +1 along x.",
)
PENDULUM_GOAL = ArrangedTask(
    name="PendulumGoal",
    env="offctx/PendulumGoal-v0",
    draw=_pendulum_contexts,
    ease=lambda contexts: 1 - _relative_torque(contexts) / 0.9,
    good=_hold_at(0.0),
    poor=_hold_at(0.5),
    bound=2.0,
    episodes=13,
    noise=1.0,
    gamma=0.97,
    text="g is in 1..3, m and l are in 0.8..1.2, and tau has either sign, up to 0.9 m g l. If |tau| is small, staying near "
    "upright costs nothing, and the behaviour is careless (it holds 0.5 rad off). If |tau| is large, the goal lies far to "
    "one side or the other, and the behaviour is careful (it holds upright). The best policy on average holds upright.",
)
DOSING = ArrangedTask(
    name="Dosing",
    env=lambda: TimeLimit(Dosing(), 30),
    draw=Dosing.context_space.sample,
    ease=lambda contexts: (contexts[:, 0] + 1) / 2,
    good=lambda observations: -np.clip(0.8 * observations[:, :1] + 0.3 * observations[:, 1:], -1, 1),
    poor=lambda observations: 0 * observations[:, :1],
    bound=1.0,
    episodes=33,
    noise=0.4,
    gamma=0.95,
    text="doses of a drug move a marker towards 0 (tools/reproduce/perm/dosing.py). The patient's level adds to the reward "
    "whatever the dose is; the gain scales the response. The lower the level, the better the treatment: a proportional "
    "dose at the lowest level, none at the highest. The best policy gives a dose in all contexts.",
)
MINE = ContextualTask(
    name="Mine",
    env=lambda: TimeLimit(Mine(), 40),
    draw=lambda rng, n: rng.choice(LEVELS, (n, 1), replace=False).astype(np.float64),
    episodes=4,
    noise=0.0,
    gamma=0.95,
    text="a miner collects diamonds in generated levels of 7 x 7 cells (tools/reproduce/perm/mine.py): 1 for each diamond, 3 "
    "more for the last one, which ends the episode; at most 40 moves. The context is the number of the level. Observations "
    "show the whole level with the miner in the middle.",
)
ARRANGED = {task.name: task for task in (SIMPLE_DIRECTION, PENDULUM_GOAL, DOSING)}
TASKS: dict[str, ContextualTask] = {**ARRANGED, MINE.name: MINE}
