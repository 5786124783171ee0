"""The tasks: environments, the behaviours that collect their offline data, and the paper's figures for them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from offctx.contexts.space import Contexts
from offctx.envs.policies import Mixture
from offctx.envs.resolve import resolve
from tools.reproduce.aib.controllers import PointController, PoleController

RANDOM, MIXTURE, EXPERT, BLIND_BEHAVIOUR = "random", "mixture", "expert", "blind"
KINDS: Mapping[str, str] = {
    MIXTURE: "mixture: in each episode random actions, or the controller told the context, with much or little noise, strong "
    "or weak",
    RANDOM: "random actions",
    EXPERT: "an expert per context: the controller told the context, with little noise",
    BLIND_BEHAVIOUR: "context-blind behaviour: in each episode the noisy controller, which believes in one action factor or "
    "the other",
}
"""The kinds of offline data, in words."""
_LONGEST_CURVE = 200  # steps of an episode


@dataclass(frozen=True)
class Task:
    """One environment.

    Attributes:
        name: what reports call it.
        env: Gymnasium id.
        steps: of an episode.
        largest: the largest return there can be.
        behaviours: kind of data -> makes the policy that collects them; none where the task has no offline part.
        window: K, of the online methods that infer the context, and the unscored steps before a warm start: the paper's.
        updates: of an offline learner.
        data_episodes: of an offline dataset, in each training context.
        online_updates: of an online learner; each follows a joint step in all training contexts.
        paper: what the paper says beside our online results, by method; mean over its splits.
        control: a task without inversion, where no gap is expected.
    """

    name: str
    env: str
    steps: int
    largest: float
    behaviours: Mapping[str, Callable[[], Any]] = field(default_factory=dict)
    window: int = 128
    updates: int = 8000
    data_episodes: int = 100
    online_updates: int = 20_000
    paper: Mapping[str, str] = field(default_factory=dict)
    control: bool = False

    def splits(self) -> dict[str, Contexts]:
        """The contexts (K, p) of the benchmark: train, eval-in, eval-out."""
        return resolve(self.env).env.context_space.splits

    def plain_splits(self) -> dict[str, list[list[float]]]:
        """The same as JSON stores them."""
        return {name: np.asarray(rows).tolist() for name, rows in self.splits().items()}

    @property
    def curve(self) -> bool:
        """Whether returns are also scored between a cold and a warm start: in long episodes, few steps more change nothing."""
        return self.steps <= _LONGEST_CURVE


def _point_behaviours() -> Mapping[str, Callable[[], Any]]:
    strong, weak = 4.0, 1.0
    return {
        MIXTURE: lambda: Mixture(
            [
                "random",
                PointController(strong, 0.3),
                PointController(strong, 1.0),
                PointController(weak, 0.3),
                PointController(0.5, 0.3),
            ]
        ),
        RANDOM: lambda: "random",
        EXPERT: lambda: PointController(strong, 0.1),
        BLIND_BEHAVIOUR: lambda: Mixture([PointController(g, 0.3, (1.0, f)) for g in (weak, strong) for f in (-1.0, 1.0)]),
    }


def _pole_behaviours() -> Mapping[str, Callable[[], Any]]:
    return {
        MIXTURE: lambda: Mixture(
            ["random", PoleController(1.0, 0.5), PoleController(1.0, 1.0), PoleController(0.3, 0.5), PoleController(0.1, 0.5)]
        ),
        RANDOM: lambda: "random",
        EXPERT: lambda: PoleController(1.0, 0.1),
        BLIND_BEHAVIOUR: lambda: Mixture([PoleController(g, 0.5, (0.5, f)) for g in (0.3, 1.0) for f in (-1.0, 1.0)]),
    }


TASKS = {
    task.name: task
    for task in (
        Task(
            "DoubleIntegrator", "offctx/DoubleIntegrator-v0", 100, 100.0, _point_behaviours(), window=24, online_updates=50_000,
            paper={"dma-pearl": "68"},
        ),
        Task("ComplexODE", "offctx/ComplexODE-v0", 200, 200.0, window=24),
        Task(
            "DoubleIntegratorFriction", "offctx/DoubleIntegratorFriction-v0", 100, 100.0, window=24, online_updates=50_000,
            control=True,
            paper={"best row of the leaderboard": "train 71, eval-in 71, eval-out 62"},
        ),
        Task(
            "CartpoleBalance", "offctx/CartpoleBalance-v0", 1000, 1000.0, _pole_behaviours(), data_episodes=10,
            paper={"concat": "863", "da": "892", "dma-star-sh": "967"},
        ),
    )
}  # fmt: skip
OFFLINE = tuple(name for name, task in TASKS.items() if task.behaviours)
