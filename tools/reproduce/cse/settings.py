"""What is run: the data, the learners and the contexts of one environment.

Methods (arXiv 2507.07348): "baseline", data at c0 alone; "CSE", the same data moved to contexts around c0 batch by batch, to
first order or exactly (simulated anew); "LDR", as many transitions from contexts c0 + eps N(0, I).

Dimensions: K contexts, p context.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from offctx.contexts.space import Contexts, ContextSpace
from offctx.envs.resolve import resolve
from tools.reproduce.frame.cells import Cell

Floats = NDArray[np.float64]
METHODS = {"baseline": "baseline", "cse": "CSE, first order", "cse-exact": "CSE, exact", "ldr": "LDR"}
BASELINE, REFERENCE = "baseline", "ldr"
TRAIN, ALL = "train", "all sweeps"


class Learner(NamedTuple):
    """One learner: the key of a cell.

    Attributes:
        env: the name of the environment.
        mode: "offline" or "online".
        algorithm: a name in `Environment.offline` or `Environment.online`.
        method: one of METHODS.
        seed: of networks and batches.
    """

    env: str
    mode: str
    algorithm: str
    method: str
    seed: int

    @classmethod
    def of(cls, cell: Cell) -> "Learner | None":
        """The learner of a cell; None for a cell of another kind."""
        if len(cell.key) != len(cls._fields):
            return None
        env, mode, algorithm, method, seed = cell.key
        return cls(str(env), str(mode), str(algorithm), str(method), int(seed))


@dataclass(frozen=True)
class Training:
    """How one algorithm is trained.

    Attributes:
        algorithm: a d3rlpy algorithm by name.
        steps: gradient steps.
        config: hyperparameters that are not d3rlpy's default, plain JSON values.
        random_steps: online, steps at random before the first gradient step.
        standardise: whether networks see observations standardised by the data, contexts by their bounds.
        cost: expected milliseconds a step, for the progress bar alone.
    """

    algorithm: str
    steps: int
    config: Mapping[str, Any] = field(default_factory=dict)
    random_steps: int = 0
    standardise: bool = False
    cost: float = 10.0

    def __str__(self) -> str:
        words = [f"{self.random_steps} of them at random"] if self.random_steps else []
        words += [f"{key} {value}" for key, value in self.config.items()]
        return ", ".join([f"{self.steps} steps", *words, *(["inputs standardised"] if self.standardise else [])])


@dataclass(frozen=True)
class Environment:
    """One environment: its data, its learners, its contexts.

    Attributes:
        name: what reports call it.
        env: Gymnasium id.
        sweeps: from the context space to the contexts (K, p) of each sweep, by name.
        offline: the algorithms trained on datasets, by name.
        online: those trained in the environment.
        data_episodes: episodes in each dataset, at c0 or each in a context of LDR's.
        shared_data: whether all seeds learn from the same data; otherwise each collects its own.
        ldr_radius: standard deviation of LDR's contexts, one number or one for each coordinate, in their units.
        cse_radius: of CSE's ball, likewise.
        behaviour: makes the policy that collects the data.
        behaviour_text: the same in words.
        seeds: 0 .. seeds - 1: of data, networks and batches.
        episodes: evaluation episodes per context.
        closed_form: whether the equations are smooth, so that the error of first order must be of second order.
        threshold: the share of the gap that CSE must close over all sweeps; None if separated intervals are the claim.
        notes: for the report.
    """

    name: str
    env: str
    sweeps: Callable[[ContextSpace], dict[str, Contexts]]
    offline: Mapping[str, Training]
    data_episodes: int
    ldr_radius: float | tuple[float, ...]
    cse_radius: float | tuple[float, ...]
    behaviour: Callable[[], Any] = lambda: "random"
    behaviour_text: str = "uniformly random actions"
    online: Mapping[str, Training] = field(default_factory=dict)
    shared_data: bool = False
    seeds: int = 5
    episodes: int = 64
    closed_form: bool = True
    threshold: float | None = 0.8
    notes: str = ""

    @property
    def space(self) -> ContextSpace:
        """The contexts of the environment."""
        return resolve(self.env).env.context_space

    def splits(self) -> dict[str, Contexts]:
        """c0 as "train", then the sweeps."""
        space = self.space
        return {TRAIN: space.default[None]} | self.sweeps(space)

    def data_seed(self, seed: int) -> int:
        """The seed of the data that the learners of a seed train on."""
        return 0 if self.shared_data else seed

    def trainings(self, mode: str) -> Mapping[str, Training]:
        """How each algorithm is trained, by name."""
        return self.offline if mode == "offline" else self.online

    def methods(self, mode: str) -> list[str]:
        """The methods of a mode. Exact CSE runs offline only."""
        return [method for method in METHODS if method != "cse-exact" or mode == "offline"]

    def all_learners(self) -> list[Learner]:
        """Every learner, seed by seed, so that an interrupted run has whole comparisons."""
        return [
            Learner(self.name, mode, algorithm, method, seed)
            for seed in range(self.seeds)
            for mode in ("offline", "online")
            for algorithm in self.trainings(mode)
            for method in self.methods(mode)
        ]

    def quick(self) -> "Environment":
        """The same with hardly any steps: to see that it runs."""
        offline = {name: replace(training, steps=40) for name, training in self.offline.items()}
        online = {name: replace(training, steps=300, random_steps=280) for name, training in self.online.items()}
        return replace(self, offline=offline, online=online, data_episodes=4, seeds=2, episodes=2)
