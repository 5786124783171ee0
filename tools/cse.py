"""Context sample enhancement in every environment: baseline, CSE and LDR over contexts nobody but LDR has seen.

    python tools/reproduce.py cse                       # every cell that is missing, then docs/results/cse.*
    python tools/reproduce.py cse report                # the report alone, of the cells that are there
    python tools/reproduce.py cse --only SimpleDirection PendulumGoal --jobs 2
    python tools/reproduce.py cse --quick --out out/quick   # a minute, to see that it runs; its numbers mean nothing

A cell is one learner: environment / offline or online / algorithm / method / seed. Each runs in a process of its own on one
thread and leaves a JSON file below --work with every return, its settings, its commit and its seconds. A cell that is
there with the settings of today is not run again, so that a run may be stopped and started at will. To add an environment,
add an Experiment.

Methods (arXiv 2507.07348): "baseline", data at c0 alone; "CSE", the same data moved to contexts around c0 batch by batch, to
first order or exactly (simulated anew); "LDR", as many transitions from contexts c0 + eps N(0, I).

Dimensions: R seeds, K contexts, M episodes of each, p context.
"""

import argparse
import json
import os
import platform
import shlex
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from tqdm.auto import tqdm

from offctx.analysis.radius import radius_report
from offctx.augmentations.cse import CSE
from offctx.contexts.space import Contexts, ContextSpace
from offctx.data.collection.collect import collect
from offctx.data.dataset import ContextualDataset
from offctx.data.load import load_dataset
from offctx.data.storage.ids import dataset_folder
from offctx.envs.policies import Mixture
from offctx.envs.resolve import resolve
from offctx.evaluation.evaluator import evaluate
from offctx.evaluation.plots import PALETTE
from offctx.evaluation.report import Comparison, ZeroShotReport, compare
from offctx.evaluation.statistics import GapClosed, Interval, bootstrap_interval, gap_closed

Floats = NDArray[np.float64]

METHODS = {"baseline": "baseline", "cse": "CSE, first order", "cse-exact": "CSE, exact", "ldr": "LDR"}
BASELINE, REFERENCE = "baseline", "ldr"
TRAIN, ALL = "train", "all sweeps"
_EVALUATION_SEED = 1_000_000  # far from the seeds of the data: no start state is seen in training


class Cell(NamedTuple):
    """One learner; as text its fields joined by slashes."""

    env: str
    mode: str
    algorithm: str
    method: str
    seed: int

    def __str__(self) -> str:
        return "/".join(map(str, self))


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
class Experiment:
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
        behaviour: the policy of the data, made when data are collected; and in words.
        seeds: 0 .. seeds - 1: of data, networks and batches.
        episodes: evaluation episodes per context.
        closed_form: whether its equations are smooth, so that the first-order error must be of second order.
        exact: whether exact CSE is run too; not where first order is exact.
        threshold: of the gap that CSE must close over all sweeps; None where separated intervals are asked for.
        notes: what a reader of the results must know.
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
    exact: bool = True
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
        """The seed of the data that a learner's seed goes with."""
        return 0 if self.shared_data else seed

    def learners(self, mode: str) -> Mapping[str, Training]:
        """By algorithm."""
        return self.offline if mode == "offline" else self.online

    def methods(self, mode: str) -> list[str]:
        """Exact CSE offline, where it differs from first order."""
        return [method for method in METHODS if method != "cse-exact" or (mode == "offline" and self.exact)]

    def cells(self) -> list[Cell]:
        """Every learner, seed by seed, so that a run that is stopped early has whole comparisons."""
        return [
            Cell(self.name, mode, algorithm, method, seed)
            for seed in range(self.seeds)
            for mode in ("offline", "online")
            for algorithm in self.learners(mode)
            for method in self.methods(mode)
        ]

    def quick(self) -> "Experiment":
        """The same with hardly any steps: to see that it runs."""
        offline = {name: replace(learner, steps=40) for name, learner in self.offline.items()}
        online = {name: replace(learner, steps=300, random_steps=280) for name, learner in self.online.items()}
        return replace(self, offline=offline, online=online, data_episodes=4, seeds=2, episodes=2)


def _line(space: ContextSpace, **values: int | Sequence[float]) -> dict[str, Contexts]:
    """Sweeps of single coordinates, the others at c0."""
    return {f"sweep_{name}": space.sweep(name, line) for name, line in values.items()}


# With d3rlpy's own rates the policy saturates before the critic knows which way is up in which context, and stays so.
_DIRECTION = {"gamma": 0.9, "batch_size": 128, "actor_learning_rate": 5e-5, "critic_learning_rate": 1e-3}
_DIRECTION_SAC = _DIRECTION | {"actor_learning_rate": 3e-4, "initial_temperature": 0.01}
_CART = {"batch_size": 128, "learning_rate": 3e-4, "target_update_interval": 100}


@dataclass(frozen=True)
class Balance:
    """A hand-made controller of CartGoal that balances, and brings the cart to a place of its own; it sees no context.

    Attributes:
        place: where to [m].
        random: the share of actions drawn at random.
    """

    place: float
    random: float

    @property
    def __name__(self) -> str:
        return f"balance at {self.place:g} m, {self.random:.0%} random"

    def __call__(self, observations: Floats, contexts: Contexts, rng: np.random.Generator) -> NDArray[np.int64]:
        """Push towards where the pole falls; gains found by hand."""
        x, x_dot, theta, theta_dot = observations.T
        lean = np.clip(x - self.place, -0.6, 0.6) + 1.5 * x_dot + 10 * theta + 2.5 * theta_dot
        careless = rng.random(len(observations)) < self.random
        return np.where(careless, rng.integers(0, 2, len(observations)), lean > 0).astype(np.int64)


def balancing() -> Mixture:
    """Each episode at one of five places, careful or careless: random pushes alone would fall within half a second."""
    return Mixture([Balance(place, random) for place in (-2.0, -1.0, 0.0, 1.0, 2.0) for random in (0.3, 0.6)])


WEIGHTS = Path(__file__).parents[1] / "datasets" / "weights"


def ladder(*actors: str) -> Mixture:
    """Random actions and trained policies, each episode one of them; the context stays unseen."""
    from offctx.algos.shared.actor import load_actor

    return Mixture(["random", *(load_actor(WEIGHTS / f"{actor}.safetensors") for actor in actors)])


EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment(
        name="SimpleDirection",
        env="offctx/SimpleDirection-v0",
        sweeps=lambda space: _line(space, c_x=9, c_y=9),
        offline={"td3": Training("td3", 2000, _DIRECTION, cost=7), "sac": Training("sac", 2000, _DIRECTION_SAC, cost=11)},
        online={"sac": Training("sac", 3000, _DIRECTION_SAC, random_steps=500, cost=12)},
        data_episodes=1000,
        ldr_radius=0.5,
        cse_radius=1.0,  # a uniform draw then varies as LDR's along each coordinate: 0.5 sqrt(p + 2)
        notes="Every reward at c0 is 0: the baseline cannot know where to go. The transition is linear in c, so that its "
        "expansion is exact; what the reward's leaves out, |dc|^2, no action changes.",
    ),
    Experiment(
        name="PendulumGoal",
        env="offctx/PendulumGoal-v0",
        sweeps=lambda space: _line(
            space,
            g=(0.5, 1, 1.5, 2, 2.5, 3, 4, 5),
            m=(0.5, 0.75, 1, 1.25, 1.5, 1.75, 2),
            l=(0.5, 0.75, 1, 1.25, 1.5, 1.75, 2),
            tau=9,
        ),
        offline={
            "td3": Training("td3", 8000, {"batch_size": 128}, cost=6),
            "sac": Training("sac", 8000, {"batch_size": 128}, cost=8),
        },
        online={"sac": Training("sac", 4000, {"batch_size": 128}, random_steps=1000, cost=10)},
        data_episodes=250,
        ldr_radius=(0.7, 0.2, 0.2, 0.4),
        cse_radius=(1.4, 0.4, 0.4, 0.8),  # twice: the root mean square distance of LDR's draws in four dimensions
        notes="The radii follow the curvature: dynamics are linear in g and tau, not in m and l. (With 0.5 in every "
        "coordinate, LDR and CSE were worse than the baseline over l; those runs are not kept.) All contexts satisfy "
        "|tau| < m g l; draws beyond it or beyond the bounds are drawn again, by CSE and by LDR.",
    ),
    Experiment(
        name="CartGoal",
        env="offctx/CartGoal-v0",
        sweeps=lambda space: _line(
            space,
            g=(1, 2.5, 4, 6, 8, 10, 12),
            m_pole=(0.01, 0.1, 0.25, 0.5, 1, 1.5, 2),
            m_cart=(0.25, 0.5, 0.75, 1, 1.25, 1.5, 2),
            l=(0.1, 0.3, 0.5, 0.7, 1, 1.5, 2),
            goal=9,
        ),
        offline={
            "doubledqn": Training("doubledqn", 9000, _CART, standardise=True, cost=3),
            "discretebcq": Training("discretebcq", 6000, _CART, standardise=True, cost=6),
        },
        data_episodes=200,
        ldr_radius=(1.0, 0.1, 0.2, 0.1, 0.8),
        cse_radius=(2.2, 0.22, 0.45, 0.22, 1.8),  # sqrt(5) times: as far as LDR's draws in root mean square
        behaviour=balancing,
        behaviour_text="a hand-made balancing controller, each with a place of its own in -2..2 m and 30 % or 60 % of its "
        "actions random (random actions alone fall within half a second)",
        notes="Where the goal lies beyond the edge of the track every reward is negative, and to fall at once is best.",
    ),
    Experiment(
        name="CheetahVelocity",
        env="offctx/CheetahVelocity-v0",
        sweeps=lambda space: _line(space, target_speed=13),
        offline={
            "iql": Training("iql", 6000, standardise=True, cost=12),
        },
        data_episodes=50,
        shared_data=True,
        ldr_radius=1.0,
        cse_radius=1.7,  # sqrt(3) times: a uniform draw then varies as LDR's
        behaviour=lambda: ladder("cheetah-velocity-medium", "cheetah-velocity-expert", "half-cheetah-replay-2"),
        behaviour_text="random actions, the medium and the best policy of SAC's training at c0, and one that runs faster, in "
        "equal shares",
        seeds=3,
        episodes=5,
        closed_form=False,
        notes="No behaviour runs backwards, and none is told its target.",
    ),
    Experiment(
        name="AntDirection",
        env="offctx/AntDirection-v0",
        sweeps=lambda space: {"sweep_angle": space.splits["sweep_angle"]},
        offline={"iql": Training("iql", 3000, standardise=True, cost=13)},
        data_episodes=100,
        shared_data=True,
        ldr_radius=0.5,
        cse_radius=1.0,  # 2 times: a uniform draw in two dimensions then varies as LDR's
        behaviour=lambda: ladder("ant-replay-2", "ant-medium", "ant-expert"),
        behaviour_text="random actions and three policies of SAC's first 80,000 steps at c0, by which it has not learned to "
        "run, in equal shares",
        seeds=3,
        episodes=3,
        closed_form=False,
        threshold=0.6,
        notes="The reward is linear in c, so that first order is exact. Contexts stay within the square of -1..1.",
    ),
    Experiment(
        name="HalfCheetahPhysics",
        env="offctx/HalfCheetahPhysics-v0",
        sweeps=lambda space: _line(space, gravity=9, gear=(0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.25, 1.5, 1.75, 2)),
        offline={
            "iql": Training("iql", 4000, standardise=True, cost=12),
            "td3plusbc": Training("td3plusbc", 5000, standardise=True, cost=9),
        },
        data_episodes=50,
        shared_data=True,
        ldr_radius=(2.0, 0.0, 0.0, 0.2),
        cse_radius=(4.0, 0.0, 0.0, 0.4),  # sqrt(4) times: a uniform draw in two dimensions then varies as LDR's
        behaviour=lambda: ladder(*(f"half-cheetah-{step}" for step in ("replay-1", "replay-2", "replay-3"))),
        behaviour_text="medium-replay: random actions and three policies on SAC's way to medium, in equal shares",
        seeds=3,
        episodes=5,
        closed_form=False,
        threshold=None,
    ),
)
BY_NAME = {experiment.name: experiment for experiment in EXPERIMENTS}


# --- one cell ----------------------------------------------------------------------------------------------------------


def settings(experiment: Experiment, cell: Cell) -> dict[str, Any]:
    """What a cell's result depends on, as plain JSON: a result with other settings is run again."""
    learner = experiment.learners(cell.mode)[cell.algorithm]
    radius = {"ldr": experiment.ldr_radius, "cse": experiment.cse_radius, "cse-exact": experiment.cse_radius}
    found = {
        "env": experiment.env,
        "algorithm": learner.algorithm,
        "steps": learner.steps,
        "config": dict(learner.config),
        "standardise": learner.standardise,
        "radius": radius.get(cell.method),
        "behaviour": experiment.behaviour_text,
        "data_episodes": experiment.data_episodes,
        "episodes": experiment.episodes,
        "contexts": {split: len(rows) for split, rows in experiment.splits().items()},
    }
    found |= {"random_steps": learner.random_steps} if cell.mode == "online" else {}
    found |= {"shared_data": True} if experiment.shared_data else {}
    plain: dict[str, Any] = json.loads(json.dumps(found))
    return plain


def kind_of(cell: Cell) -> str | None:
    """Which dataset a cell trains on; online there is none."""
    if cell.mode == "online":
        return None
    return "ldr" if cell.method == "ldr" else "base"


def dataset_id(experiment: Experiment, kind: str, seed: int) -> str:
    """Of the data at c0 ("base") or in contexts around it ("ldr")."""
    return f"offctx/{experiment.name}/cse-{kind}{experiment.data_episodes}-seed{seed}-v0"


def dataset(experiment: Experiment, kind: str, seed: int) -> ContextualDataset:
    """Collected once, then loaded."""
    name = dataset_id(experiment, kind, seed)
    if dataset_folder(name).exists():
        return load_dataset(name)
    n = experiment.data_episodes
    options: dict[str, Any] = {"policy": experiment.behaviour(), "seed": seed, "progress": False}
    if kind == "base":
        return collect(experiment.env, name, episodes_per_context=n, **options)
    contexts = experiment.space.local(n, experiment.ldr_radius, np.random.default_rng([seed, 3]))
    return collect(experiment.env, name, contexts=contexts, gradients=False, **options)


def augmentation(experiment: Experiment, method: str) -> CSE | None:
    """What a method does to batches."""
    if method not in ("cse", "cse-exact"):
        return None
    return CSE(experiment.cse_radius, exact=experiment.env if method == "cse-exact" else None)


def train_offline(experiment: Experiment, cell: Cell) -> Any:
    """The agent of an offline cell."""
    from offctx.algos import make_algorithm, train  # d3rlpy takes seconds: only where something is trained

    learner = experiment.offline[cell.algorithm]
    data = dataset(experiment, kind_of(cell) or "base", experiment.data_seed(cell.seed))
    buffer = data.replay_buffer(augmentation=augmentation(experiment, cell.method), seed=cell.seed)
    scaled = {"observation_scaler": buffer.observation_scaler()} if learner.standardise else {}
    agent = make_algorithm(learner.algorithm, buffer, dict(learner.config) | scaled)
    train(agent, buffer, steps=learner.steps, seed=cell.seed, progress=False)
    return agent


def train_online(experiment: Experiment, cell: Cell) -> Any:
    """The agent of an online cell: it plays at c0, or each episode in a context of LDR's."""
    import d3rlpy  # as above
    import gymnasium

    from offctx.algos import make_algorithm
    from offctx.buffers.online import online_buffer
    from offctx.envs.labels import LabelTransitions
    from offctx.envs.wrappers import RandomContexts

    learner, space = experiment.online[cell.algorithm], experiment.space
    env: gymnasium.Env[Any, Any] = gymnasium.make(experiment.env)
    if cell.method == "ldr":
        env = RandomContexts(env, lambda rng: space.local(1, experiment.ldr_radius, rng)[0], seed=cell.seed)
    env = LabelTransitions(env, gradients=cell.method == "cse")
    buffer = online_buffer(env, learner.steps, augmentation=augmentation(experiment, cell.method), seed=cell.seed)
    d3rlpy.seed(cell.seed)
    d3rlpy.envs.seed_env(env, cell.seed)
    agent = make_algorithm(learner.algorithm, buffer, learner.config)
    agent.fit_online(
        env, buffer, n_steps=learner.steps, n_steps_per_epoch=learner.steps, random_steps=learner.random_steps,
        update_start_step=learner.random_steps, logger_adapter=d3rlpy.logging.NoopAdapterFactory(), show_progress=False,
    )  # fmt: skip
    return agent


def run_cell(experiment: Experiment, cell: Cell, work: Path) -> Path:
    """Train and score one learner, and keep what came out in a file that appears when it is complete."""
    torch.set_num_threads(1)  # cells run side by side
    started = time.perf_counter()
    agent = (train_offline if cell.mode == "offline" else train_online)(experiment, cell)
    report = evaluate(
        agent, experiment.env, experiment.splits(), episodes=experiment.episodes, seed=_EVALUATION_SEED, name=cell.method
    )
    result = {
        "cell": cell._asdict(),
        "settings": settings(experiment, cell),
        "commit": commit(),
        "seconds": round(time.perf_counter() - started, 1),
        "report": report.to_dict(),
    }
    return keep(result, cell_path(work, cell))


def radius_settings(experiment: Experiment) -> dict[str, Any]:
    """What the radius report depends on, as plain JSON."""
    found = {
        "env": experiment.env,
        "behaviour": experiment.behaviour_text,
        "data_episodes": experiment.data_episodes,
        "radius": experiment.cse_radius,
    }
    plain: dict[str, Any] = json.loads(json.dumps(found))
    return plain


def run_radius(experiment: Experiment, work: Path) -> Path:
    """How good first order is in this environment: as the radius grows, and at the radius that CSE uses."""
    torch.set_num_threads(1)
    data = dataset(experiment, "base", 0)
    result = {
        "settings": radius_settings(experiment),
        "commit": commit(),
        "report": radius_report(data, experiment.env).to_dict(),
        "used": relative_errors(experiment, data),
    }
    return keep(result, radius_path(work, experiment))


def relative_errors(experiment: Experiment, data: ContextualDataset, rows: int = 4096) -> dict[str, float]:
    """Root mean square error of first order over that of the context's effect, at perturbations as CSE draws them."""
    changes = [None, *(augmentation(experiment, method) for method in ("cse", "cse-exact"))]
    plain, first, exact = (
        data.replay_buffer(augmentation=change, seed=0).sample_transition_batch(rows) for change in changes
    )  # the same rows and perturbations, as the seed is the same
    if not np.array_equal(first.contexts, exact.contexts):
        raise RuntimeError("expected the same perturbations from the same seed")
    spread = np.maximum(exact.next_observations.std(axis=0), 1e-9)
    pairs = {
        "next observation": [(batch.next_observations - exact.next_observations) / spread for batch in (first, plain)],
        "reward": [batch.rewards - exact.rewards for batch in (first, plain)],
    }
    o = data.observations.shape[1]  # the appended context is the same in both
    sizes = {name: [float(np.linalg.norm(d[:, :o])) for d in found] for name, found in pairs.items()}
    return {name: error / effect if effect else 0.0 for name, (error, effect) in sizes.items()}


def radius_path(work: Path, experiment: Experiment) -> Path:
    """Where the radius report is kept."""
    return work / "cells" / experiment.name / "radius.json"


def found_radius(experiment: Experiment, work: Path) -> dict[str, Any] | None:
    """The radius report; None where it is not there, or was made with other settings."""
    return _found(radius_path(work, experiment), radius_settings(experiment))


def cell_path(work: Path, cell: Cell) -> Path:
    """Where a cell's result is kept."""
    return work / "cells" / cell.env / cell.mode / cell.algorithm / cell.method / f"seed{cell.seed}.json"


def keep(result: Mapping[str, Any], path: Path) -> Path:
    """Write aside, then move into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".tmp")
    aside.write_text(json.dumps(result, allow_nan=False))
    os.replace(aside, path)
    return path


def found_cell(experiment: Experiment, cell: Cell, work: Path) -> dict[str, Any] | None:
    """A cell's result; None where it is not there, or was made with other settings."""
    return _found(cell_path(work, cell), settings(experiment, cell))


def _found(path: Path, expected: dict[str, Any]) -> dict[str, Any] | None:
    try:
        result: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    return result if result["settings"] == expected else None


def commit() -> str:
    """The commit that is checked out; where the code differs from it, marked dirty, with the files that do."""
    here = Path(__file__).parent

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(here), *words], capture_output=True, text=True, check=False)
        return done.stdout

    name = git("rev-parse", "--short", "HEAD").strip() or "unknown"
    changed = [line[3:] for line in git("status", "--porcelain", "--", ".", "../offctx").splitlines()]
    more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
    return name + (f"-dirty ({', '.join(changed[:3])}{more})" if changed else "")


# --- all cells ---------------------------------------------------------------------------------------------------------


class Job(NamedTuple):
    """What one process does: `task` of the command line with one argument; `data` is (kind, seed) of what it reads."""

    task: str
    what: str
    minutes: float
    data: tuple[str, int] | None


def missing_jobs(experiment: Experiment, work: Path) -> list[Job]:
    """The cells of an environment that are not there, and its radius report."""
    jobs = []
    for cell in experiment.cells():
        if found_cell(experiment, cell, work) is None:
            learner, kind = experiment.learners(cell.mode)[cell.algorithm], kind_of(cell)
            data = None if kind is None else (kind, experiment.data_seed(cell.seed))
            jobs.append(Job("cell", str(cell), learner.steps * learner.cost / 60_000, data))
    if experiment.offline and found_radius(experiment, work) is None:
        jobs.append(Job("radius", experiment.name, 0.1, ("base", 0)))
    return jobs


def run_missing(experiments: Sequence[Experiment], work: Path, jobs: int, quick: bool) -> list[str]:
    """Run what is missing, `jobs` at a time, each in a process of its own; returns what failed."""
    todo = [(experiment, job) for experiment in experiments for job in missing_jobs(experiment, work)]
    running: dict[Job, subprocess.Popen[bytes]] = {}
    failed: list[str] = []
    total = sum(job.minutes for _, job in todo)
    bar = tqdm(total=total, unit="min", desc=f"{len(todo)} cells", bar_format=_BAR, disable=not todo)

    def settle(least: int) -> None:
        """Wait until at most `least` are running."""
        while len(running) > least:
            for job in [job for job, process in running.items() if process.poll() is not None]:
                if running.pop(job).returncode:
                    failed.append(job.what)
                    bar.write(f"failed: {job.what}; its output is in {log_path(work, job.task, job.what)}")
                bar.update(min(job.minutes, total - bar.n))  # sums of fractions may pass the whole by a rounding
            time.sleep(0.2)

    with bar:
        try:
            for experiment, job in todo:
                settle(jobs - 1)
                if job.data is not None and not (work / "datasets" / dataset_id(experiment, *job.data)).exists():
                    settle(0)  # whoever runs may be about to collect the same
                    kind, seed = job.data
                    start(work, "collect", f"{experiment.name}/{kind}/{seed}", quick).wait()
                bar.set_postfix_str(job.what)
                running[job] = start(work, job.task, job.what, quick)
            settle(0)
        finally:
            for process in running.values():
                process.terminate()
    return failed


_BAR = "{desc}: {percentage:3.0f}%|{bar}| {n:.1f}/{total:.1f} min of training [{elapsed}<{remaining}] {postfix}"


def start(work: Path, task: str, what: str, quick: bool) -> subprocess.Popen[bytes]:
    """A process for one cell or dataset, on one thread; what it says goes to a file."""
    command = [sys.executable, __file__, task, what, "--work", str(work), *(["--quick"] if quick else [])]
    one = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    path = log_path(work, task, what)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | one)


def log_path(work: Path, task: str, what: str) -> Path:
    """What the process of a cell or dataset said."""
    return work / "logs" / f"{task}-{what.replace('/', '-')}.log"


# --- what the cells say ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Result:
    """The methods of one algorithm in one environment, as far as they are there."""

    experiment: Experiment
    mode: str
    algorithm: str
    comparison: Comparison
    seconds: float
    commits: frozenset[str]

    @property
    def title(self) -> str:
        """Such as "td3, offline"."""
        return f"{self.algorithm}, {self.mode}"

    @property
    def sweeps(self) -> list[str]:
        """The splits beside c0."""
        return [split for split in self.comparison.splits if split != TRAIN]

    @property
    def sides(self) -> dict[str, tuple[str, NDArray[np.bool_]]]:
        """The parts of sweeps below and above c0, where that is asked for: the split and which of its contexts (K,)."""
        found: dict[str, tuple[str, NDArray[np.bool_]]] = {}
        if self.experiment.threshold is None:
            for sweep in self.sweeps:
                at, label, base = coordinate(self.comparison.first, sweep)
                name = label.split(" [", maxsplit=1)[0]
                parts = {f"{name} below c0": at < base, f"{name} above c0": at > base}
                found |= {part: (sweep, mask) for part, mask in parts.items() if mask.any()}
        return found

    @property
    def regions(self) -> list[str]:
        """The sweeps, their sides where these are judged, and all sweeps together."""
        return [*self.sweeps, *self.sides, ALL]

    def returns(self, method: str, region: str) -> Floats:
        """(R, K, M) of a method in a split, in a side of it, or in all sweeps laid end to end."""
        if region in self.sides:
            sweep, mask = self.sides[region]
            return self.comparison.returns(method, sweep)[:, mask]
        splits = self.sweeps if region == ALL else [region]
        return np.concatenate([self.comparison.returns(method, split) for split in splits], axis=1)

    def mean(self, method: str, region: str) -> str:
        """The mean return with its interval."""
        return "" if method not in self.comparison.methods else str(self.interval(method, region))

    def interval(self, method: str, region: str) -> Interval:
        """The mean return over contexts, episodes and seeds with its bootstrap interval over seeds."""
        return bootstrap_interval(self.returns(method, region), "mean", rng=np.random.default_rng(0))

    def closed(self, method: str, region: str) -> GapClosed | None:
        """The share of the gap that a method closes; None where baseline, LDR or the method are missing."""
        if not {method, BASELINE, REFERENCE} <= set(self.comparison.methods):
            return None
        arrays = [self.returns(name, region) for name in (method, BASELINE, REFERENCE)]
        return gap_closed(*arrays, rng=np.random.default_rng(0))

    def separated(self, method: str) -> list[str]:
        """The sides of sweeps in which the interval of a method lies above the baseline's."""
        return [side for side in self.sides if self.interval(method, side).low > self.interval(BASELINE, side).high]


def gather(experiments: Sequence[Experiment], work: Path) -> tuple[list[Result], list[Cell]]:
    """The results that are there, and the cells that are not."""
    results, missing = [], []
    for experiment in experiments:
        groups: dict[tuple[str, str], dict[str, list[dict[str, Any]]]] = {}
        for cell in experiment.cells():
            found = found_cell(experiment, cell, work)
            if found is None:
                missing.append(cell)
            else:
                groups.setdefault((cell.mode, cell.algorithm), {}).setdefault(cell.method, []).append(found)
        for (mode, algorithm), methods in groups.items():
            ordered = {method: methods[method] for method in METHODS if method in methods}
            runs = [run for found in ordered.values() for run in found]
            results.append(
                Result(
                    experiment,
                    mode,
                    algorithm,
                    compare({m: [ZeroShotReport.from_dict(run["report"]) for run in found] for m, found in ordered.items()}),
                    seconds=sum(run["seconds"] for run in runs),
                    commits=frozenset(run["commit"] for run in runs),
                )
            )
    return results, missing


class Verdict(NamedTuple):
    """A threshold and what was measured; `met` is None where it could not be judged."""

    claim: str
    found: str
    met: bool | None


def verdict(result: Result, method: str = "cse") -> Verdict:
    """Whether CSE does in all sweeps together what was asked of it: by its estimate, the interval being shown."""
    name, threshold = f"{result.experiment.name}, {result.title}", result.experiment.threshold
    if threshold is None:
        claim = f"{name}: {METHODS[method]} above the baseline with separated intervals on some side of c0"
        if not {method, BASELINE} <= set(result.comparison.methods):
            return Verdict(claim, "not all methods are there", None)
        where = result.separated(method)
        return Verdict(claim, f"for {', '.join(where)}" if where else "on none", bool(where))
    closed = result.closed(method, ALL)
    claim = f"{name}: {METHODS[method]} closes at least {threshold:g} of the gap over all sweeps"
    if closed is None:
        return Verdict(claim, "not all methods are there", None)
    if closed.share is None:
        return Verdict(claim, str(closed), None)
    return Verdict(claim, str(closed.share), closed.share.estimate >= threshold)


# --- writing -----------------------------------------------------------------------------------------------------------


def write(experiments: Sequence[Experiment], work: Path, out: Path, command: str) -> list[Cell]:
    """cse.md, cse.json and a picture for each environment; returns the cells that were missing."""
    out.mkdir(parents=True, exist_ok=True)
    results, missing = gather(experiments, work)
    radii = {e.name: found for e in experiments if (found := found_radius(e, work)) is not None}
    verdicts = [verdict(result) for result in results]
    verdicts += [v for e in experiments if e.name in radii for v in slope_verdicts(e, radii[e.name])]
    commits = sorted({name for result in results for name in result.commits})
    minutes = sum(result.seconds for result in results) / 60
    lines = [
        "# Context sample enhancement everywhere",
        "",
        *_paragraph(
            "Learners of data from one context c0, scored in contexts that they have never seen: sweeps of one "
            "coordinate, the others at c0. Baseline: the data as they are. CSE: the same data, moved batch by batch to "
            "contexts drawn uniformly from a ball around c0, to first order by the dataset's derivatives, or exactly, "
            "simulated anew. LDR: as many transitions from contexts c0 + eps N(0, I), what CSE could at best be expected "
            "to reach. Mean returns, 95 % bootstrap intervals over seeds (of data, networks and batches). Gap closed: "
            "(CSE - baseline) / (LDR - baseline), a ratio of means; undefined where the interval of LDR - baseline does "
            "not lie above 0. A threshold is judged by the estimate over all sweeps together."
        ),
        f"Command: `{command}`.",
        f"Report at commit {commit()}, cells run at {', '.join(commits) or 'none'}; Python {platform.python_version()}, "
        f"torch {torch.__version__}; {minutes:.0f} core-minutes of training and scoring.",
        "",
        *_verdict_rows(verdicts),
    ]
    for experiment in experiments:
        mine = [result for result in results if result.experiment.name == experiment.name]
        lines += _section(experiment, mine)
        lines += _radius_lines(experiment, radii.get(experiment.name))
        if mine:
            picture(mine).savefig(out / f"cse-{experiment.name}.png")
    if radii:
        radius_picture(radii).savefig(out / "cse-radius.png")
        lines += ["", "## First order against exact, as the radius grows", "", "![first-order error](cse-radius.png)"]
    lines += ["", "## What failed, and what is not there", "", *_failures(results, verdicts, missing)]
    lines += [f"- Not run: radius report of {e.name}." for e in experiments if e.offline and e.name not in radii]
    lines += [f"- {e.name}: one algorithm offline, not two." for e in experiments if len(BY_NAME[e.name].offline) < 2]
    (out / "cse.md").write_text("\n".join(lines) + "\n")
    report: dict[str, Any] = {
        "command": command,
        "commit": commit(),
        "cells_at": commits,
        "missing": [str(cell) for cell in missing],
    }
    report |= {"verdicts": [v._asdict() for v in verdicts], "results": [_as_json(result) for result in results]}
    report["radius"] = {name: {key: found[key] for key in ("report", "used")} for name, found in radii.items()}
    (out / "cse.json").write_text(json.dumps(report, indent=1, allow_nan=False) + "\n")
    return missing


def _paragraph(text: str) -> list[str]:
    return [textwrap.fill(text, 120, break_on_hyphens=False, break_long_words=False), ""]


def _verdict_rows(verdicts: Iterable[Verdict]) -> list[str]:
    words = {True: "met", False: "**not met**", None: "cannot be judged"}
    rows = [f"| {v.claim} | {v.found} | {words[v.met]} |" for v in verdicts]
    return ["| claim | measured | threshold |", "|---|---|---|", *rows]


def _section(experiment: Experiment, results: Sequence[Result]) -> list[str]:
    """One environment in the report."""
    learners = {f"{name}, {mode}": t for mode in ("offline", "online") for name, t in experiment.learners(mode).items()}
    trained = "; ".join(f"{name}: {learner}" for name, learner in learners.items())
    lines = ["", f"## {experiment.name}", ""]
    lines += _paragraph(
        f"`{experiment.env}`, c0 = {experiment.space.describe(experiment.space.default)}. Data: {experiment.data_episodes} "
        f"episodes of {experiment.behaviour_text}. LDR radius {experiment.ldr_radius} per coordinate, CSE radius "
        f"{experiment.cse_radius}. {trained}; d3rlpy's defaults otherwise. {experiment.seeds} seeds"
        f"{' of networks and batches, the data the same' if experiment.shared_data else ''}, {experiment.episodes} "
        f"episodes per context. {experiment.notes}"
    )
    if not results:
        return [*lines, "No cell has been run."]
    lines += ["| algorithm | contexts | " + " | ".join(METHODS.values()) + " |", "|---" * (len(METHODS) + 2) + "|"]
    for result in results:
        for region in [TRAIN, *result.regions]:
            means = " | ".join(result.mean(method, region) for method in METHODS)
            lines.append(f"| {result.title} | {'c0' if region == TRAIN else region} | {means} |")
    lines += ["", "Gap closed:", "", "| algorithm | contexts | " + " | ".join(METHODS[m] for m in ("cse", "cse-exact")) + " |"]
    lines += ["|---|---|---|---|"]
    for result in results:
        for region in result.regions:
            closed = [result.closed(method, region) for method in ("cse", "cse-exact")]
            shown = " | ".join("" if share is None else _short(share) for share in closed)
            lines.append(f"| {result.title} | {region} | {shown} |")
    return [*lines, "", f"![{experiment.name}: return over contexts](cse-{experiment.name}.png)"]


def slope_verdicts(experiment: Experiment, found: Mapping[str, Any]) -> list[Verdict]:
    """Whether the first-order error is of second order, in closed form; nothing to judge where first order is exact."""
    if not experiment.closed_form:
        return []
    slopes = {"next observation": found["report"]["observation_slope"], "reward": found["report"]["reward_slope"]}
    return [
        Verdict(
            f"{experiment.name}: log-log slope of the first-order error of the {name} in the radius is 2 +- 0.1",
            f"{slope:.3f}",
            abs(slope - 2) <= 0.1,
        )
        for name, slope in slopes.items()
        if slope is not None
    ]


def _radius_lines(experiment: Experiment, found: Mapping[str, Any] | None) -> list[str]:
    """What first order misses in this environment."""
    if found is None:
        return []
    report, used = found["report"], found["used"]
    lines = [
        "",
        *_paragraph(
            f"First order at the radius that CSE uses: its root mean square error is {used['next observation']:.2g} of the "
            f"context's root mean square effect in next observations, {used['reward']:.2g} in rewards. One coordinate alone, "
            f"moved as far as its radius:"
        ),
    ]
    lines += ["| coordinate | CSE radius | relative error there | radius of relative error 0.2 |", "|---|---|---|---|"]
    space = experiment.space
    radius = np.broadcast_to(experiment.cse_radius, (space.size,))
    scale, alone = np.array(report["scale"]), np.array(report["coordinate_relative"], dtype=np.float64)
    for k, name in enumerate(space.names):
        unit = f" {space.units[k]}" if space.units[k] else ""
        known = np.isfinite(alone[:, k])
        error = np.interp(radius[k] / scale[k], np.array(report["radii"])[known], alone[known, k]) if known.any() else np.nan
        suggested = report["coordinate_suggested"][k] * scale[k]
        lines.append(f"| {name} | {radius[k]:g}{unit} | {error:.2g} | {suggested:.3g}{unit} |")
    return lines


def radius_picture(radii: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Errors against the radius, log-log, an environment a panel."""
    figure = Figure(figsize=(3.9 * len(radii), 3.6), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (name, found) in zip(figure.subplots(1, len(radii), squeeze=False)[0], radii.items(), strict=True):
        report = found["report"]
        at = np.array(report["radii"])
        for index, (what, label) in enumerate((("observation", "next observation"), ("reward", "reward"))):
            error, slope = np.array(report[f"{what}_error"]), report[f"{what}_slope"]
            if slope is not None:
                axes.loglog(at, error, color=PALETTE[index], marker="os"[index], markersize=4, label=f"{label}: {slope:.2f}")
        axes.set(title=name, xlabel="radius [half-widths of the bounds]", ylabel="first-order error [spread of the data]")
        axes.grid(True, color="#D9D9D9", linewidth=0.7)
        if axes.has_data():
            axes.legend(fontsize=8, title="log-log slope")
    return figure


def _short(closed: GapClosed) -> str:
    return str(closed.share) if closed.share is not None else f"undefined: LDR - baseline = {closed.difference}"


def _failures(results: Sequence[Result], verdicts: Sequence[Verdict], missing: Sequence[Cell]) -> list[str]:
    """In plain words."""
    lines = [f"- Not met: {v.claim}; measured {v.found}." for v in verdicts if v.met is False]
    lines += [f"- Cannot be judged: {v.claim}: {v.found}." for v in verdicts if v.met is None]
    for result in results:
        for region in [*result.sweeps, ALL]:
            where = f"{result.experiment.name}, {result.title}, {region}"
            lines += [f"- {where}: {text}" for text in _short_falls(result, region)]
    counts: dict[str, int] = {}
    for cell in missing:
        key = f"{cell.env}, {cell.algorithm}, {cell.mode}, {METHODS[cell.method]}"
        counts[key] = counts.get(key, 0) + 1
    lines += [f"- Not run: {key}, {n} seed{'s' if n > 1 else ''}." for key, n in counts.items()]
    return lines or ["Nothing: every cell is there, and every threshold is met."]


def _short_falls(result: Result, region: str) -> list[str]:
    """What CSE leaves to be desired in a region, and whether that is the expansion's fault."""
    there, threshold = set(result.comparison.methods), result.experiment.threshold
    lines = []
    closed, exact = (result.closed(method, region) for method in ("cse", "cse-exact"))
    if closed is not None and closed.share is not None and threshold is not None and closed.share.estimate < threshold:
        lines.append(f"first order closes {closed.share} of the gap, less than {threshold:g}")
        if exact is not None and exact.share is not None:
            fault = (
                "first order is what fails" if exact.share.estimate >= threshold else "the expansion alone is not what fails"
            )
            lines[-1] += f"; exact CSE closes {exact.share}: {fault}"
    if closed is not None and closed.share is None:
        lines.append(f"LDR is not above the baseline ({closed.difference}), there is no gap to close")
    for method in ("cse", "cse-exact", REFERENCE):
        if {method, BASELINE} <= there and result.interval(method, region).high < result.interval(BASELINE, region).low:
            lines.append(f"{METHODS[method]} is worse than the baseline, the intervals do not overlap")
    return [f"{line}." for line in lines]


def _as_json(result: Result) -> dict[str, Any]:
    """Every seed's mean return in every context, and the shares."""
    comparison = result.comparison
    shares = {
        method: {region: closed.to_dict() for region in result.regions if (closed := result.closed(method, region))}
        for method in ("cse", "cse-exact")
    }
    return {
        "env": result.experiment.name,
        "mode": result.mode,
        "algorithm": result.algorithm,
        "seconds": round(result.seconds),
        "contexts": {split: rows.tolist() for split, rows in comparison.first.contexts.items()},
        "returns": {
            method: {split: comparison.returns(method, split).mean(axis=2).round(4).tolist() for split in comparison.splits}
            for method in comparison.methods
        },
        "gap_closed": shares,
    }


def picture(results: Sequence[Result]) -> Figure:
    """Return over contexts: a row of panels for each algorithm, a panel for each sweep."""
    sweeps = results[0].sweeps
    size = (3.7 * len(sweeps) + 0.6, 2.9 * len(results) + 0.5)
    figure = Figure(figsize=size, dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(results), len(sweeps), squeeze=False, sharex="col")
    for row, result in zip(panels, results, strict=True):
        for axes, sweep in zip(row, sweeps, strict=True):
            _curves(axes, result, sweep)
        row[0].set_ylabel(f"{result.title}\nmean return")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels) or 1, frameon=False)
    return figure


def _curves(axes: Axes, result: Result, sweep: str) -> None:
    comparison = result.comparison
    at, label, base = coordinate(comparison.first, sweep)
    for index, (method, name) in enumerate(METHODS.items()):
        if method in comparison.methods:
            mean, low, high = comparison.context_intervals(method, sweep)
            axes.plot(at, mean, color=PALETTE[index], marker="os^D"[index], markersize=4, label=name)
            axes.fill_between(at, low, high, color=PALETTE[index], alpha=0.18, linewidth=0)
    axes.axvline(base, color="#666666", linewidth=0.8, linestyle=":")
    axes.set_xlabel(label)
    axes.grid(True, color="#D9D9D9", linewidth=0.7)


def coordinate(report: ZeroShotReport, sweep: str) -> tuple[Floats, str, float]:
    """Where the contexts of a sweep stand on one axis (K,), the axis' label, and c0 on it; unit vectors by their angle."""
    rows, base = report.contexts[sweep], report.contexts[TRAIN][0]
    varying = np.flatnonzero(np.ptp(rows, axis=0) > 0)
    if len(varying) == 1:
        k = int(varying[0])
        unit = report.context_units[k]
        return rows[:, k], report.context_names[k] + (f" [{unit}]" if unit else ""), float(base[k])
    angles = np.degrees(np.arctan2(rows[:, 1], rows[:, 0])) % 360
    return angles, "angle [degrees]", 0.0


# --- the command -------------------------------------------------------------------------------------------------------


PARTS = ("cell", "collect", "radius")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "task", nargs="?", default="all", choices=["all", "run", "report", *PARTS],
        help="all: run and report; cell, collect and radius are what it starts itself",
    )  # fmt: skip
    parser.add_argument(
        "what", nargs="?", help="of cell: env/mode/algorithm/method/seed; of collect: env/kind/seed; of radius: env"
    )
    parser.add_argument("--only", nargs="+", choices=list(BY_NAME), help="some of the environments")
    parser.add_argument("--mode", choices=["offline", "online"], help="run one of the two only")
    parser.add_argument("--algorithms", nargs="+", help="run some of the algorithms only")
    parser.add_argument("--seeds", type=int, help="run and report seeds 0 .. N-1 only")
    parser.add_argument("--jobs", type=int, default=2, help="cells side by side, one thread each")
    parser.add_argument("--quick", action="store_true", help="hardly any steps, to see that it runs")
    parser.add_argument("--work", type=Path, default=Path("out/reproduce-cse"), help="where cells and data are kept")
    parser.add_argument("--out", type=Path, default=Path("docs/results"), help="where results are written")
    args = parser.parse_args(arguments)
    if args.jobs < 1 or (args.seeds is not None and args.seeds < 1):
        parser.error(f"expected at least one job and one seed; found {args.jobs} and {args.seeds}")
    if (args.task in PARTS) != (args.what is not None):
        parser.error(f"{args.task} takes {'one argument more' if args.what is None else 'no further argument'}")
    args.work = args.work / "quick" if args.quick and args.what is None else args.work
    return args


def chosen(args: argparse.Namespace) -> list[Experiment]:
    """The experiments asked for, cut down as asked."""
    found = []
    for experiment in EXPERIMENTS:
        if args.only is None or experiment.name in args.only:
            cut = experiment.quick() if args.quick else experiment
            keep_algorithm = args.algorithms or [*cut.offline, *cut.online]
            offline, online = (
                {k: v for k, v in cut.learners(mode).items() if k in keep_algorithm and args.mode in (None, mode)}
                for mode in ("offline", "online")
            )
            found.append(replace(cut, offline=offline, online=online, seeds=min(cut.seeds, args.seeds or cut.seeds)))
    return found


def main(arguments: Sequence[str]) -> None:
    """Run what is missing, and write the report."""
    args = parse(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended too
    os.environ["MINARI_DATASETS_PATH"] = str((args.work / "datasets").resolve())
    if args.task in PARTS:
        words = args.what.split("/")
        experiment = BY_NAME[words[0]].quick() if args.quick else BY_NAME[words[0]]
        if args.task == "cell":
            name, mode, algorithm, method, seed = words
            run_cell(experiment, Cell(name, mode, algorithm, method, int(seed)), args.work)
        elif args.task == "collect":
            dataset(experiment, words[1], int(words[2]))
        else:
            run_radius(experiment, args.work)
        return
    experiments, failed = chosen(args), list[str]()
    if args.task != "report":
        failed = run_missing(experiments, args.work, args.jobs, args.quick)
    if args.task != "run":
        missing = write(experiments, args.work, args.out, shown_command(args))
        print(f"{args.out / 'cse.md'}" + (f"; {len(missing)} cells are missing, as it says" if missing else ""))
    if failed:
        sys.exit(f"{len(failed)} cells failed: {', '.join(failed)}")


def shown_command(args: argparse.Namespace) -> str:
    """The command as a reader would type it: without what says where to put files, and how many at a time."""
    words = ["python", "tools/reproduce.py", "cse"]
    for option in ("only", "algorithms"):
        words += [f"--{option}", *getattr(args, option)] if getattr(args, option) else []
    for option in ("mode", "seeds"):
        words += [f"--{option}", str(getattr(args, option))] if getattr(args, option) else []
    return shlex.join([*words, *(["--quick"] if args.quick else [])])


if __name__ == "__main__":
    main(sys.argv[1:])
