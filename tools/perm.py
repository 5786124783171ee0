"""PERM and PPPO against merged offline learners, on contextual tasks whose context the policy does not see.

    python tools/reproduce.py perm                       # every cell that is missing, then docs/results/perm.*
    python tools/reproduce.py perm report                # the report alone, of the cells that are there
    python tools/reproduce.py perm --only collapse cross --seeds 3 --jobs 2
    python tools/reproduce.py perm --list                # what would be run
    python tools/reproduce.py perm --quick --out out/quick --work out/quick   # to see that it runs; its numbers mean nothing

A cell is one learner with one seed: experiment / data / method / seed. Each runs in a process of its own on one thread and
leaves a JSON file below --work with its returns in every context, its settings, its commit and its cost. A cell that is there
with the settings of today is not run again, so that a run may be stopped and started at will.

Experiments (arXiv 2503.07988):

- collapse: Proposition 4.1, deep. Where contexts that pay well anyway have the poorer behaviour and the more data, data
  merged without labels describe an average MDP in which the poor behaviour looks better.
- cross: the paper's IQL-nV taken apart, number of value networks times kind of policy.
- pessimism: beta = 0 against larger ones on poorly covered data.
- cost: PERM against PPPO as the number of contexts grows.

Dimensions: n training contexts, K contexts of a split, N rows, o observation, a action.
"""

import argparse
import json
import os
import resource
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from perm_tasks import TASKS, Data, Floats, Task, dataset, training_contexts, unseen_contexts
from torch import Tensor
from tqdm.auto import tqdm

from offctx.contexts.space import Contexts
from offctx.data.dataset import ContextualDataset
from offctx.evaluation.evaluator import evaluate
from offctx.files import write_file
from tools.provenance import commit

TRAIN, UNSEEN = "train", "unseen"
_EVALUATION_SEED = 1_000_000  # far from the seeds of the data: no start state is seen in training


# --- learners ----------------------------------------------------------------------------------------------------------

NETWORK = (64, 64)
BATCH = 256
_RATES = {"actor_learning_rate": 3e-4, "critic_learning_rate": 1e-3}
OURS = ("perm", "pppo")


@dataclass(frozen=True)
class Learner:
    """One way to learn.

    Attributes:
        algorithm: "perm", "pppo", or a d3rlpy algorithm by name.
        config: hyperparameters that are not the same for all, plain JSON values.
        beta: of an elliptical quantifier on random Fourier features: PERM and PPPO have it themselves, of a d3rlpy algorithm it
            lowers the rewards of its batches; None for no quantifier.
        steps: gradient steps.
    """

    algorithm: str
    config: Mapping[str, Any] = field(default_factory=dict)
    beta: float | None = None
    steps: int = 2000


def make_buffer(learner: Learner, data: ContextualDataset, seed: int) -> Any:
    """The data with the context hidden, rewards less what they are unsure of where a stock algorithm is to be pessimistic."""
    augmentation = None
    if learner.beta is not None and learner.algorithm not in OURS:
        from offctx.augmentations.pessimism import Pessimism

        augmentation = Pessimism(learner.beta)
    return data.replay_buffer(context="hidden", augmentation=augmentation, seed=seed)


def make_learner(learner: Learner, buffer: Any, seed: int, gamma: float) -> Any:
    """With networks of the same size, scalers and rates, whatever the algorithm."""
    import d3rlpy  # it takes seconds: only where something is trained

    from offctx import algos

    encoder = d3rlpy.models.VectorEncoderFactory(list(NETWORK))
    shared = {"batch_size": BATCH, "gamma": gamma, "observation_scaler": buffer.observation_scaler(), **_RATES}
    shared |= {"actor_encoder_factory": encoder, "critic_encoder_factory": encoder}
    if learner.algorithm in ("iql", "perm"):
        shared["value_encoder_factory"] = encoder
    shared |= dict(learner.config)
    if learner.algorithm not in OURS:
        return algos.make_algorithm(learner.algorithm, buffer, shared)
    space = buffer.action_space
    shared |= {"action_scaler": d3rlpy.preprocessing.MinMaxActionScaler(space.low, space.high), "seed": seed}
    if learner.beta is not None:
        shared["uncertainty"] = algos.EllipticalUncertaintyFactory(beta=learner.beta, features="fourier")
    return (algos.PERMConfig if learner.algorithm == "perm" else algos.PPPOConfig)(**shared).create()


def memory(learner: Any) -> int:
    """Bytes of what a learner keeps: parameters, targets, buffers and the state of its optimisers."""
    kept: dict[int, Tensor] = {}
    for part in (getattr(learner.impl.modules, f.name) for f in fields(learner.impl.modules)):
        if isinstance(part, torch.nn.Module):
            found = [*part.parameters(), *part.buffers()]
        else:
            state = part.optim.state.values() if hasattr(part, "optim") else []
            found = [value for entry in state for value in entry.values() if isinstance(value, Tensor)]
        kept |= {tensor.data_ptr(): tensor for tensor in found}
    return sum(tensor.nbytes for tensor in kept.values())


# --- experiments -------------------------------------------------------------------------------------------------------


class Cell(NamedTuple):
    """One learner; as text its fields joined by slashes."""

    experiment: str
    data: str
    method: str
    seed: int

    def __str__(self) -> str:
        return "/".join(map(str, self))


class Run(NamedTuple):
    """A learner on data, called a method; `cost` is its expected seconds, for the progress bar alone."""

    data: Data
    method: str
    learner: Learner
    cost: float = 10.0


@dataclass(frozen=True)
class Experiment:
    """Runs, each with every seed.

    Attributes:
        name: on the command line.
        runs: what is compared.
        seeds: of contexts, data, networks and batches.
        episodes: evaluation episodes per context.
        unseen: how many contexts nobody has trained on.
        optional: run only where it is asked for by name.
    """

    name: str
    runs: Sequence[Run]
    seeds: Sequence[int] = range(5)
    episodes: int = 8
    unseen: int = 48
    optional: bool = False

    def cells(self) -> list[Cell]:
        """Seed by seed, so that a run that is stopped early has whole comparisons."""
        return [Cell(self.name, str(run.data), run.method, seed) for seed in self.seeds for run in self.runs]

    def run(self, cell: Cell) -> Run:
        """What a cell is."""
        return next(run for run in self.runs if (str(run.data), run.method) == (cell.data, cell.method))

    def quick(self) -> "Experiment":
        """The same with hardly any steps: to see that it runs."""
        runs = [run._replace(learner=replace(run.learner, steps=30), cost=3.0) for run in self.runs]
        return replace(self, runs=runs, seeds=self.seeds[:2], episodes=2, unseen=4)


# What the search over another seed chose (--only search): of values of one hyperparameter for each method and task.
SEARCH: dict[str, tuple[str, tuple[float, ...]]] = {
    "perm": ("weight_temp", (1.0, 3.0, 10.0)),
    "perm-gradient": ("bc_weight", (0.03, 0.1, 0.4)),
    "iql": ("weight_temp", (0.3, 1.0, 3.0, 10.0, 30.0)),
    "td3plusbc": ("alpha", (0.3, 1.0, 2.5, 10.0, 33.0, 100.0)),
    "cql": ("conservative_weight", (0.3, 1.0, 5.0, 10.0, 30.0)),
}
CHOSEN: dict[tuple[str, str], float] = {
    ("perm", "SimpleDirection"): 3.0,
    ("perm", "PendulumGoal"): 10.0,
    ("perm", "Dosing"): 10.0,
    ("perm-gradient", "SimpleDirection"): 0.03,
    ("perm-gradient", "PendulumGoal"): 0.03,
    ("perm-gradient", "Dosing"): 0.03,
    ("iql", "SimpleDirection"): 1.0,
    ("iql", "PendulumGoal"): 10.0,
    ("iql", "Dosing"): 1.0,
    ("td3plusbc", "SimpleDirection"): 10.0,
    ("td3plusbc", "PendulumGoal"): 100.0,
    ("td3plusbc", "Dosing"): 0.3,
    ("cql", "SimpleDirection"): 0.3,
    ("cql", "PendulumGoal"): 1.0,
    ("cql", "Dosing"): 10.0,
}
_FIXED: dict[str, dict[str, Any]] = {"perm-gradient": {"evaluation": "policy", "extraction": "gradient"}}
_COST = {"cql": 36.0, "perm-gradient": 12.0, "perm": 12.0, "td3plusbc": 7.0}


def method(name: str, task: str, beta: float | None = None, value: float | None = None, **more: Any) -> Learner:
    """A method of SEARCH with the value that was chosen for a task, or another."""
    key, _ = SEARCH[name]
    found = CHOSEN[name, task] if value is None else value
    return Learner(name.split("-", maxsplit=1)[0], {**_FIXED.get(name, {}), key: found, **more}, beta)


def _collapse() -> list[Run]:
    """All methods where it hurts, and those of the same cost where it does not."""
    runs = []
    for arrangement, tasks in (("confounded", TASKS), ("benign", ("SimpleDirection", "Dosing"))):
        for task in tasks:
            data = Data(task, arrangement)
            names = [name for name in SEARCH if arrangement == "confounded" or name != "cql"]
            runs += [Run(data, name, method(name, task), _COST.get(name, 9.0)) for name in names]
            runs.append(Run(data, "perm-one", method("perm", task, groups=1), 9.0))
    return runs


CROSS_TASKS = ("SimpleDirection", "Dosing")
CROSS_GROUPS = (1, 4, 16)


def _cross() -> list[Run]:
    """Every number of value networks with either kind of policy; four also by chance instead of by distance."""
    factors = [(groups, "distance") for groups in CROSS_GROUPS] + [(4, "random")]
    return [
        Run(
            Data(task), f"nv{groups}-{policy}{'-random' if grouping == 'random' else ''}",
            method("perm", task, groups=groups, grouping=grouping, policy=policy), 9.0,
        )
        for task in CROSS_TASKS for groups, grouping in factors for policy in ("stochastic", "deterministic")
    ]  # fmt: skip


PESSIMISM_TASKS = ("PendulumGoal", "Dosing")
BETAS = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0)
STOCK_BETAS = (0.0, 0.3, 1.0, 3.0)


def poor_cover(task: str) -> Data:
    """Few episodes of a good behaviour that hardly varies: nothing says what other actions do."""
    return Data(task, "skilled", share=0.15, noise=0.3)


def _pessimism() -> list[Run]:
    """PERM with less and more of it, without imitation, which would do in its place; and d3rlpy's TD3, which has neither."""
    runs = []
    for task in PESSIMISM_TASKS:
        ours = {f"perm-beta{beta:g}": method("perm-gradient", task, beta, value=0.0) for beta in BETAS}
        stock = {f"td3-beta{beta:g}": Learner("td3", beta=beta) for beta in STOCK_BETAS}
        runs += [Run(poor_cover(task), name, learner) for name, learner in (ours | stock).items()]
    return runs


COST_TASKS = ("Dosing",)
COST_CONTEXTS = (2, 4, 8, 16, 32)
COST_BETA = 0.3
_PPPO_ROUNDS = 3


def _pppo(n: int) -> Learner:
    """As many updates as the others, three rounds over the contexts; two in three updates evaluate."""
    turn = Learner("pppo").steps // (_PPPO_ROUNDS * n)
    improvement = max(turn // 3, 1)
    config = {"evaluation_steps": turn - improvement, "improvement_steps": improvement, "step_size": 0.3, "output": "last"}
    return Learner("pppo", config, beta=COST_BETA)


def _cost() -> list[Run]:
    """More and more contexts, as many updates; PERM as it is by default, and evaluated as PPPO is."""
    runs = []
    for task in COST_TASKS:
        for n in COST_CONTEXTS:
            learners = {"perm": method("perm", task), "perm-policy": method("perm-gradient", task, COST_BETA), "pppo": _pppo(n)}
            runs += [Run(Data(task, contexts=n), name, learner, 8.0 + n / 8) for name, learner in learners.items()]
    return runs


def _search() -> list[Run]:
    """Each method's values on each task."""
    return [
        Run(Data(task), f"{name}-{value:g}", method(name, task, value=value), _COST.get(name, 9.0))
        for name, (_, values) in SEARCH.items() for task in TASKS for value in values
    ]  # fmt: skip


EXPERIMENTS = {
    experiment.name: experiment
    for experiment in (
        Experiment("collapse", _collapse(), seeds=range(10)),
        Experiment("cross", _cross()),
        Experiment("pessimism", _pessimism()),
        Experiment("cost", _cost()),
        Experiment("search", _search(), seeds=(100,), optional=True),
    )
}


# --- one cell ----------------------------------------------------------------------------------------------------------


def settings(experiment: Experiment, cell: Cell) -> dict[str, Any]:
    """What a cell's result depends on, as plain JSON: a result with other settings is run again."""
    run = experiment.run(cell)
    task = TASKS[run.data.task]
    found = {
        "data": asdict(run.data),
        "task": {"noise": task.noise, "episodes": task.episodes, "gamma": task.gamma},
        "learner": asdict(run.learner) | {"batch": BATCH, "network": NETWORK, "rates": _RATES},
        "evaluation": {"episodes": experiment.episodes, "unseen": experiment.unseen},
    }
    plain: dict[str, Any] = json.loads(json.dumps(found))
    return plain


def score(learner: Any, task: Task, splits: Mapping[str, Contexts], episodes: int) -> dict[str, Any]:
    """Mean return in each context of each split, of the policy's mode and, where it has a spread, of its draws."""

    def drawn(observations: Floats, contexts: Contexts, rng: np.random.Generator) -> Any:
        return learner.sample_action(observations.astype(np.float32))

    stochastic = learner.impl.policy is not None and getattr(learner.config, "policy", "deterministic") == "stochastic"
    policies = {"mode": learner, **({"sampled": drawn} if stochastic else {})}
    reports = {
        name: evaluate(policy, task.env, splits, episodes=episodes, seed=_EVALUATION_SEED, context="hidden", name=name)
        for name, policy in policies.items()
    }
    return {
        name: {split: report.returns[split].mean(axis=1).round(4).tolist() for split in splits}
        for name, report in reports.items()
    }


def run_cell(experiment: Experiment, cell: Cell, work: Path) -> Path:
    """Train and score one learner, and keep what came out in a file that appears when it is complete."""
    from offctx.algos import train  # as above

    torch.set_num_threads(1)  # cells run side by side
    run, started = experiment.run(cell), time.perf_counter()
    task, data = TASKS[run.data.task], dataset(run.data, cell.seed)
    buffer = make_buffer(run.learner, data, cell.seed)
    learner = make_learner(run.learner, buffer, cell.seed, task.gamma)
    before, processor, clock = peak_memory(), time.process_time(), time.perf_counter()
    train(learner, buffer, steps=run.learner.steps, seed=cell.seed, progress=False)
    cost = {
        "processor_seconds": round(time.process_time() - processor, 2),
        "seconds": round(time.perf_counter() - clock, 2),
        "memory": memory(learner),
        "peak_growth": peak_memory() - before,
    }
    splits = {TRAIN: training_contexts(run.data, cell.seed), UNSEEN: unseen_contexts(task, experiment.unseen)}
    result = {
        "cell": cell._asdict(),
        "settings": settings(experiment, cell),
        "commit": commit(),
        "versions": {name: version(name) for name in ("d3rlpy", "numpy", "torch")},
        "seconds": round(time.perf_counter() - started, 1),
        "cost": cost,
        "transitions": np.bincount(data.context_ids).tolist(),
        "contexts": {split: rows.round(4).tolist() for split, rows in splits.items()},
        "returns": score(learner, task, splits, experiment.episodes),
    }
    return keep(result, cell_path(work, cell))


def peak_memory() -> int:
    """Bytes that this process held at most so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def keep(result: Mapping[str, Any], path: Path) -> Path:
    """Write a result file, which appears when it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, json.dumps(result, allow_nan=False))
    return path


def cell_path(work: Path, cell: Cell) -> Path:
    """Where a cell's result is kept."""
    return work / "cells" / cell.experiment / cell.data / cell.method / f"seed{cell.seed}.json"


def found_cell(experiment: Experiment, cell: Cell, work: Path) -> dict[str, Any] | None:
    """A cell's result; None where it is not there, or was made with other settings."""
    try:
        result: dict[str, Any] = json.loads(cell_path(work, cell).read_text())
    except FileNotFoundError:
        return None
    return result if result["settings"] == settings(experiment, cell) else None


# --- all cells ---------------------------------------------------------------------------------------------------------


def missing_cells(experiments: Sequence[Experiment], work: Path) -> list[tuple[Cell, float]]:
    """The cells that are not there, and their expected seconds."""
    return [(c, e.run(c).cost) for e in experiments for c in e.cells() if found_cell(e, c, work) is None]


_BAR = "{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s of training [{elapsed}<{remaining}] {postfix}"


def run_missing(experiments: Sequence[Experiment], work: Path, jobs: int, quick: bool) -> list[Cell]:
    """Run what is missing, `jobs` at a time, each in a process of its own; returns what failed."""
    todo = missing_cells(experiments, work)
    running: dict[subprocess.Popen[bytes], tuple[Cell, float]] = {}
    failed: list[Cell] = []
    bar = tqdm(total=sum(cost for _, cost in todo), desc=f"{len(todo)} cells", bar_format=_BAR, disable=not todo)

    def settle(least: int) -> None:
        """Wait until at most `least` are running."""
        while len(running) > least:
            for process in [process for process in running if process.poll() is not None]:
                cell, cost = running.pop(process)
                bar.update(min(cost, bar.total - bar.n))  # sums of fractions may pass the whole by a rounding
                if process.returncode:
                    failed.append(cell)
                    bar.write(f"failed: {cell}; its output is in {log_path(work, cell)}")
            time.sleep(0.2)

    with bar:
        try:
            for cell, cost in todo:
                settle(jobs - 1)
                bar.set_postfix_str(str(cell))
                running[start(cell, work, quick)] = (cell, cost)
            settle(0)
        finally:
            for process in running:
                process.terminate()
    return failed


def start(cell: Cell, work: Path, quick: bool) -> subprocess.Popen[bytes]:
    """A process for one cell, on one thread; what it says goes to a file."""
    command = [sys.executable, __file__, "cell", str(cell), "--work", str(work), *(["--quick"] if quick else [])]
    one = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    path = log_path(work, cell)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | one)


def log_path(work: Path, cell: Cell) -> Path:
    """What the process of a cell said."""
    return work / "logs" / f"{str(cell).replace('/', '-')}.log"


# --- the command -------------------------------------------------------------------------------------------------------


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "task", nargs="?", default="all", choices=["all", "run", "report", "cell"],
        help="all: run and report; cell is what it starts itself",
    )  # fmt: skip
    parser.add_argument("what", nargs="?", help="of cell: experiment/data/method/seed")
    parser.add_argument("--only", nargs="+", choices=list(EXPERIMENTS), help="some of the experiments")
    parser.add_argument("--methods", nargs="+", help="run some of the methods only")
    parser.add_argument("--seeds", type=int, help="run and report the first N seeds only")
    parser.add_argument("--jobs", type=int, default=2, help="cells side by side, one thread each")
    parser.add_argument("--list", action="store_true", help="name the cells that are missing, and run none")
    parser.add_argument("--quick", action="store_true", help="hardly any steps, to see that it runs")
    parser.add_argument("--work", type=Path, default=Path("out/reproduce-perm"), help="where cells are kept")
    parser.add_argument("--out", type=Path, default=Path("docs/results"), help="where results are written")
    args = parser.parse_args(arguments)
    if args.jobs < 1 or (args.seeds is not None and args.seeds < 1):
        parser.error(f"expected at least one job and one seed; found {args.jobs} and {args.seeds}")
    if (args.task == "cell") != (args.what is not None):
        parser.error(f"{args.task} takes {'one argument more' if args.what is None else 'no further argument'}")
    args.work = args.work / "quick" if args.quick and args.what is None else args.work
    return args


def chosen(args: argparse.Namespace) -> list[Experiment]:
    """The experiments asked for, cut down as asked."""
    names = args.only or [name for name, experiment in EXPERIMENTS.items() if not experiment.optional]
    found = []
    for name in names:
        experiment = EXPERIMENTS[name].quick() if args.quick else EXPERIMENTS[name]
        runs = [run for run in experiment.runs if args.methods is None or run.method in args.methods]
        found.append(replace(experiment, runs=runs, seeds=experiment.seeds[: args.seeds]))
    return found


def shown_command(args: argparse.Namespace) -> str:
    """The command as a reader would type it: without what says where to put files, and how many at a time."""
    words = ["python", "tools/reproduce.py", "perm"]
    for option in ("only", "methods"):
        words += [f"--{option}", *getattr(args, option)] if getattr(args, option) else []
    words += [*(["--seeds", str(args.seeds)] if args.seeds else []), *(["--quick"] if args.quick else [])]
    return shlex.join(words)


def main(arguments: Sequence[str]) -> None:
    """Run what is missing, and write the report."""
    args = parse(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended too
    if args.task == "cell":
        name, data, called, seed = args.what.split("/")
        experiment = EXPERIMENTS[name].quick() if args.quick else EXPERIMENTS[name]
        run_cell(experiment, Cell(name, data, called, int(seed)), args.work)
        return
    experiments = chosen(args)
    if args.list:
        todo = missing_cells(experiments, args.work)
        print("\n".join(f"{cell}  {cost:.0f} s" for cell, cost in todo))
        print(f"{len(todo)} cells, {sum(cost for _, cost in todo) / 60:.0f} core-minutes")
        return
    failed = [] if args.task == "report" else run_missing(experiments, args.work, args.jobs, args.quick)
    if args.task != "run":
        from perm_report import write  # with matplotlib

        missing = write(experiments, args.work, args.out, shown_command(args))
        print(f"{args.out / 'perm.md'}" + (f"; {len(missing)} cells are missing, as it says" if missing else ""))
    if failed:
        sys.exit(f"{len(failed)} cells failed: {', '.join(map(str, failed))}")


if __name__ == "__main__":
    main(sys.argv[1:])
