"""What is run: the data, the learners and the contexts of one environment. `arms` says what is compared.

Dimensions: K contexts, p context.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from numpy.typing import NDArray

from offctx.contexts.space import Contexts, ContextSpace
from offctx.envs.resolve import resolve
from tools.reproduce.cse.arms import ARMS, BY_HAND, STANDARD
from tools.reproduce.frame.cells import Cell

Floats = NDArray[np.float64]
TRAIN, ALL = "train", "all sweeps"
OFFLINE, ONLINE, UNTRAINED_MODE = "offline", "online", "untrained"


class Learner(NamedTuple):
    """One policy: the key of a cell.

    Attributes:
        env: the name of the environment.
        mode: "offline", "online", or "untrained".
        algorithm: a name in `Environment.offline` or `Environment.online`; "none" where untrained.
        method: the arm: one of ARMS, or of UNTRAINED.
        seed: of data, networks and batches; 0 where untrained.
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
        hidden: units of each hidden layer of all networks.
        random_steps: online, steps at random before the first gradient step.
        standardise: whether networks see observations standardised by the data, contexts by their bounds.
        seeds: 0 .. seeds - 1: of data, networks and batches.
        arms: which arms are run; all but the variants of CSE by default.
        radius: of CSE, jitter and LDR in every coordinate; None where it follows from the data by `Environment.tolerance`.
        cost: expected milliseconds a step, for the progress bar alone.
    """

    algorithm: str
    steps: int
    config: Mapping[str, Any] = field(default_factory=dict)
    hidden: tuple[int, ...] = (256, 256)
    random_steps: int = 0
    standardise: bool = False
    seeds: int = 5
    arms: tuple[str, ...] = STANDARD
    radius: float | None = None
    cost: float = 6.0

    def __str__(self) -> str:
        words = [f"{self.random_steps} of them at random"] if self.random_steps else []
        words += [f"hidden layers of {' and '.join(map(str, self.hidden))} units"]
        words += [f"{key} {value}" for key, value in self.config.items()]
        words += [f"radius {self.radius:g}"] if self.radius is not None else []
        return ", ".join([f"{self.steps} steps", *words, *(["inputs standardised"] if self.standardise else [])])


@dataclass(frozen=True)
class Environment:
    """One environment: its data, its learners, its contexts.

    Attributes:
        name: what reports call it.
        env: Gymnasium id.
        sweeps: from the context space to the contexts (K, p) of each sweep, by name; c0 is left out.
        offline: the algorithms trained on datasets, by name.
        online: those trained in the environment.
        data_episodes: episodes in each dataset.
        tolerance: the relative error of first order that decides about the radius of CSE, jitter and LDR (`radius_report`).
        searched: whether the tolerance was searched (`search`).
        moves: the coordinates that CSE, jitter and LDR move; None for all that are continuous.
        reward_coordinates: those that change the reward alone, for relabelling; may be empty.
        by_hand: whether its observation has positions and velocities, so that damped feedback by hand is scored (`by_hand`).
        shared_data: whether all seeds learn from the same data; otherwise each collects its own.
        behaviour: makes the policy that collects the data.
        behaviour_text: the same in words.
        episodes: evaluation episodes per context.
        closed_form: whether the equations are smooth, so that the error of first order must be of second order.
        notes: for the report.
        range_tag: tells the data of GDR from those of other sweeps of the same environment.
    """

    name: str
    env: str
    sweeps: Callable[[ContextSpace], dict[str, Contexts]]
    offline: Mapping[str, Training]
    data_episodes: int
    online: Mapping[str, Training] = field(default_factory=dict)
    tolerance: float = 0.5
    searched: bool = False
    moves: tuple[str, ...] | None = None
    reward_coordinates: tuple[str, ...] = ()
    by_hand: bool = False
    shared_data: bool = False
    behaviour: Callable[[], Any] = lambda: "random"
    behaviour_text: str = "uniformly random actions"
    episodes: int = 64
    closed_form: bool = True
    notes: str = ""
    range_tag: str = ""

    @property
    def space(self) -> ContextSpace:
        """The contexts of the environment."""
        return resolve(self.env).env.context_space

    @property
    def discrete_actions(self) -> bool:
        """Whether actions are Discrete; then there is no zero action, and a constant one takes its place."""
        return isinstance(resolve(self.env).env.action_space, gymnasium.spaces.Discrete)

    def splits(self) -> dict[str, Contexts]:
        """c0 as "train", then the sweeps without c0."""
        space = self.space
        sweeps = {name: rows[(rows != space.default).any(axis=1)] for name, rows in self.sweeps(space).items()}
        return {TRAIN: space.default[None]} | sweeps

    def data_seed(self, seed: int) -> int:
        """The seed of the data that the learners of a seed train on."""
        return 0 if self.shared_data else seed

    def trainings(self, mode: str) -> Mapping[str, Training]:
        """How each algorithm is trained, by name."""
        return self.offline if mode == OFFLINE else self.online

    def arms(self, mode: str, algorithm: str) -> list[str]:
        """The arms of an algorithm in a mode. Relabelling needs a coordinate that changes the reward alone."""
        chosen = [arm for arm in ARMS if arm in self.trainings(mode)[algorithm].arms]
        chosen = [arm for arm in chosen if mode == OFFLINE or ARMS[arm].online]
        return [arm for arm in chosen if arm != "relabelled" or self.reward_coordinates]

    def untrained(self) -> list[Learner]:
        """The policies without training: zero or constant action, random actions, and feedback by hand where there is one."""
        names = ("constant" if self.discrete_actions else "zero", "random", *([BY_HAND] if self.by_hand else []))
        return [Learner(self.name, UNTRAINED_MODE, "none", name, 0) for name in names]

    def all_learners(self) -> list[Learner]:
        """Every policy: the untrained ones, then the learners seed by seed. An interrupted run has whole comparisons."""
        algorithms = [(mode, name) for mode in (OFFLINE, ONLINE) for name in self.trainings(mode)]
        most = max((self.trainings(mode)[name].seeds for mode, name in algorithms), default=0)
        return self.untrained() + [
            Learner(self.name, mode, algorithm, arm, seed)
            for seed in range(most)
            for mode, algorithm in algorithms
            if seed < self.trainings(mode)[algorithm].seeds
            for arm in self.arms(mode, algorithm)
        ]

    def quick(self) -> "Environment":
        """The same with hardly any steps: to see that it runs."""
        offline = {name: replace(training, steps=40, seeds=2) for name, training in self.offline.items()}
        online = {name: replace(training, steps=300, random_steps=280, seeds=2) for name, training in self.online.items()}
        return replace(self, offline=offline, online=online, data_episodes=4, episodes=2)
