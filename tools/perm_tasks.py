"""The contextual tasks of perm.py, and the data that its learners train on.

Dimensions: n training contexts, N rows, o observation, a action.
"""

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from gymnasium import spaces
from gymnasium.wrappers import TimeLimit
from numpy.typing import NDArray
from torch import Tensor

from offctx.contexts.space import Contexts, ContextSpace
from offctx.data.collection.collect import collect
from offctx.data.dataset import ContextualDataset
from offctx.envs.differentiable import DifferentiableEnv
from offctx.envs.resolve import EnvLike

Floats = NDArray[np.float64]

_UNSEEN_SEED = 1_000_000  # far from the seeds of the data


# --- tasks -------------------------------------------------------------------------------------------------------------


class Dosing(DifferentiableEnv):
    """A dose u in [-1, 1] moves a marker x towards 0 through a drug d that lingers: confounding by indication, as an MDP.

    d' = 0.6 d + u, x' = x + 0.2 gain d', reward 2 level - x'^2 - 0.05 u^2. The context (level, gain) is the patient: how well
    they are whatever is done, and how they respond. What is best does not depend on the level.
    """

    context_space = ContextSpace(["level", "gain"], (-1.0, 0.5), (1.0, 1.5), (0.0, 1.0))
    observation_space: ClassVar[spaces.Box] = spaces.Box(-np.inf, np.inf, (2,), np.float32)  # type: ignore[misc]  # one for all
    action_space: ClassVar[spaces.Box] = spaces.Box(-1.0, 1.0, (1,), np.float32)  # type: ignore[misc]  # one for all

    def initial_state(self, rng: np.random.Generator, context: Tensor) -> Floats:
        return rng.uniform((-2.0, -0.5), (2.0, 0.5), (*context.shape[:-1], 2))

    def transition(self, state: Tensor, action: Tensor, context: Tensor) -> Tensor:
        x, drug = state.unbind(-1)
        drug = 0.6 * drug + action[..., 0]
        return torch.stack([x + 0.2 * context[..., 1] * drug, drug], dim=-1)

    def reward(self, state: Tensor, action: Tensor, next_state: Tensor, context: Tensor) -> Tensor:
        return 2 * context[..., 0] - next_state[..., 0] ** 2 - 0.05 * action[..., 0] ** 2


@dataclass(frozen=True)
class Task:
    """A family of environments and what was done in them.

    Attributes:
        name: what reports call it.
        env: a Gymnasium id or a factory.
        draw: (rng, n) -> contexts (n, p): training and unseen ones come from the same distribution.
        ease: contexts (N, p) -> (N,) in [0, 1]: how well a context pays, whatever is done.
        good, poor: observations (N, o) -> actions (N, a), before noise.
        bound: of actions, either side of 0.
        episodes: per context, on average.
        noise: standard deviation of the behaviour's actions.
        gamma: discount.
        text: for the report.
    """

    name: str
    env: EnvLike
    draw: Callable[[np.random.Generator, int], Contexts]
    ease: Callable[[Contexts], Floats]
    good: Callable[[Floats], Floats]
    poor: Callable[[Floats], Floats]
    bound: float
    episodes: int
    noise: float
    gamma: float
    text: str


def _tilted(goal: float) -> Callable[[Floats], Floats]:
    """Holds the pendulum near an angle [rad]."""

    def policy(observations: Floats) -> Floats:
        cos, sin, theta_dot = observations.T
        error = np.angle(np.exp(1j * (np.arctan2(sin, cos) - goal)))
        return np.clip(-4 * error - 1.2 * theta_dot, -2, 2)[:, None]

    return policy


def _pendulums(rng: np.random.Generator, n: int) -> Contexts:
    """Gravity, mass and length that the motor can overcome, and torques of either sign."""
    g, m, l = rng.uniform((1.0, 0.8, 0.8), (3.0, 1.2, 1.2), (n, 3)).T
    tau = np.clip(rng.uniform(-0.9, 0.9, n) * g * m * l, -1, 1)
    return np.stack([g, m, l, tau], axis=1)


def _load(contexts: Contexts) -> Floats:
    """The share of gravity's largest torque that a context's own torque makes up."""
    g, m, l, tau = contexts.T
    return np.abs(tau) / (g * m * l)


def _constant(x: float, y: float) -> Callable[[Floats], Floats]:
    return lambda observations: np.tile([x, y], (len(observations), 1))


TASKS = {
    task.name: task
    for task in (
        Task(
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
            text="c uniform in [0, 1] x [-0.5, 0.5]. A strong drift along x pays by itself; against it the behaviour holds "
            "position (pushes by -0.7 along x), in a weak one it goes along (+0.7). Best in all: +1 along x.",
        ),
        Task(
            name="PendulumGoal",
            env="offctx/PendulumGoal-v0",
            draw=_pendulums,
            ease=lambda contexts: 1 - _load(contexts) / 0.9,
            good=_tilted(0.0),
            poor=_tilted(0.5),
            bound=2.0,
            episodes=13,
            noise=1.0,
            gamma=0.97,
            text="g in 1..3, m and l in 0.8..1.2, tau of either sign up to 0.9 m g l. With little torque to hold against, to "
            "be near upright costs nothing, and the behaviour is careless (holds 0.5 rad off); with much, the goal lies far "
            "to one side or the other, and it is careful (holds upright). Best on average: upright.",
        ),
        Task(
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
            text="defined in tools/perm_tasks.py: a dose that moves a marker towards 0; the patient's level adds to the reward "
            "whatever is done, the gain scales the response. The worse they are, the better they are treated: a "
            "proportional dose for the worst, none for the best. Best in all: to treat.",
        ),
    )
}


# --- data --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Data:
    """Which data.

    Attributes:
        task: a name among TASKS.
        arrangement: "confounded", the easier a context the more data, 8 to 1, and the poorer its behaviour; "benign",
            equally many, the behaviour half way between poor and good in all; "skilled", equally many, good in all.
        contexts: n.
        share: of the task's episodes.
        noise: of the task's noise.
    """

    task: str
    arrangement: str = "confounded"
    contexts: int = 16
    share: float = 1.0
    noise: float = 1.0

    def __str__(self) -> str:
        words = [self.task, self.arrangement, f"n{self.contexts}"]
        return "-".join([*words, *([] if self.share == 1 else [f"share{self.share:g}"])])


def training_contexts(data: Data, seed: int) -> Contexts:
    """The contexts (n, p) that a seed's learners train on."""
    return TASKS[data.task].draw(np.random.default_rng([seed, 7]), data.contexts)


def unseen_contexts(task: Task, n: int) -> Contexts:
    """Others of the same distribution (n, p), the same for all seeds."""
    return task.draw(np.random.default_rng(_UNSEEN_SEED), n)


def skill(task: Task, data: Data, contexts: Contexts) -> Floats:
    """How good the behaviour is in each context (N,), from 0, poor, to 1, good."""
    if data.arrangement == "confounded":
        return 1 - np.clip(task.ease(contexts), 0, 1)
    return np.full(len(contexts), {"benign": 0.5, "skilled": 1.0}[data.arrangement])


def sizes(task: Task, data: Data, contexts: Contexts) -> NDArray[np.int64]:
    """Episodes in each context (n,)."""
    weights = 8 ** np.clip(task.ease(contexts), 0, 1) if data.arrangement == "confounded" else np.ones(len(contexts))
    total = task.episodes * data.share * len(contexts)
    return np.maximum(1, np.round(weights / weights.sum() * total)).astype(np.int64)


def behaviour(task: Task, data: Data) -> Callable[[Floats, Contexts, np.random.Generator], Floats]:
    """The policy of the data, which does see the context: between poor and good as its skill there is, and noise."""

    def policy(observations: Floats, contexts: Contexts, rng: np.random.Generator) -> Floats:
        weight = skill(task, data, contexts)[:, None]
        actions = weight * task.good(observations) + (1 - weight) * task.poor(observations)
        noise = task.noise * data.noise * rng.standard_normal(actions.shape)
        return np.clip(actions + noise, -task.bound, task.bound)

    return policy


def dataset(data: Data, seed: int) -> ContextualDataset:
    """The data of a seed, collected anew in a folder that is gone afterwards: it takes a second or two."""
    task, contexts = TASKS[data.task], training_contexts(data, seed)
    rows = np.repeat(contexts, sizes(task, data, contexts), axis=0)
    before = os.environ.get("MINARI_DATASETS_PATH")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MINARI_DATASETS_PATH"] = folder
        try:
            return collect(
                task.env, f"offctx/{task.name}/perm-v0", contexts=rows, policy=behaviour(task, data), seed=seed,
                gradients=False, progress=False,
            )  # fmt: skip
        finally:
            os.environ.pop("MINARI_DATASETS_PATH")
            os.environ.update({} if before is None else {"MINARI_DATASETS_PATH": before})
