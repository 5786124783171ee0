"""The experiment on the frame: its options, its cells, its datasets and its report."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from tools.datasets import datasets_in
from tools.reproduce.cse.arms import ARMS
from tools.reproduce.cse.data import data_kind, dataset, dataset_id
from tools.reproduce.cse.environments import BY_NAME, ENVIRONMENTS
from tools.reproduce.cse.learners import learner_settings, run_learner
from tools.reproduce.cse.own import add_own_options, own_environment
from tools.reproduce.cse.radius import radius_settings, run_radius
from tools.reproduce.cse.report import write_report
from tools.reproduce.cse.search import SEEDS, TOLERANCES, candidate, run_search, search_settings
from tools.reproduce.cse.settings import OFFLINE, ONLINE, UNTRAINED_MODE, Environment, Learner, Training
from tools.reproduce.frame.cells import Cell, Result, Results
from tools.reproduce.frame.experiment import Destination, Experiment

_RADIUS_SECONDS = 6.0  # expected, as are the seconds of collecting a dataset
_COLLECT_SECONDS = 10.0
_UNTRAINED_SECONDS = 2.0


class ContextSampleEnhancement(Experiment):
    """CSE, its controls and its references in every environment."""

    name = "cse"
    description = """Context sample enhancement in every environment, with its controls, over contexts that CSE has not seen.

    python tools/reproduce.py cse                       # every cell that is missing, then docs/results/cse.*
    python tools/reproduce.py cse report                # the report alone, from the cells that exist
    python tools/reproduce.py cse --only SimpleDirection PendulumGoal --jobs 2
    python tools/reproduce.py cse --quick --out out/quick   # a minute, to see that it runs; its numbers mean nothing

    python tools/reproduce.py cse --env my_package:MyTask-v0 --sweep target --sweep mass=0.5,2 --out out/my-task

A cell is one policy (environment / offline, online or untrained / algorithm / arm / seed), or the radius report of an
environment. To add an environment for good, add its entry in tools/reproduce/cse/environments.py."""
    fresh_processes = False
    partial_report = True
    has_quick = True

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Options that choose learners."""
        parser.add_argument("--only", nargs="+", choices=list(BY_NAME), help="some of the environments")
        add_own_options(parser)
        parser.add_argument("--mode", choices=["offline", "online"], help="run one of the two only")
        parser.add_argument("--algorithms", nargs="+", help="run some of the algorithms only")
        parser.add_argument("--arms", nargs="+", choices=list(ARMS), help="run some of the arms only")
        parser.add_argument("--seeds", type=int, help="run and report seeds 0 .. N-1 only")

    def cells(self, options: argparse.Namespace) -> Sequence[Cell]:
        """Every learner, and the radius report of every environment with offline learners."""
        return [cell for environment in chosen_environments(options) for cell in environment_cells(environment, options.work)]

    def preparation(self, missing: Sequence[Cell], options: argparse.Namespace) -> Sequence[Cell]:
        """The datasets that the missing cells read and that do not exist."""
        return dataset_cells(chosen_environments(options), missing, options.work, existing=False)

    def sources(self, cells: Sequence[Cell], options: argparse.Namespace) -> Sequence[Cell]:
        """The datasets that these cells have read."""
        return dataset_cells(chosen_environments(options), cells, options.work)

    def write_report(self, results: Results, options: argparse.Namespace, destination: Destination) -> None:
        """Write cse.md, cse.json and the pictures."""
        write_report(chosen_environments(options), results, destination, options.work)


def chosen_environments(options: argparse.Namespace) -> list[Environment]:
    """The environments, modes, algorithms, arms and seeds that the options choose."""
    named = own_environment(options)
    given = [named] if named else [entry for entry in ENVIRONMENTS if options.only is None or entry.name in options.only]
    return [_reduced(environment.quick() if options.quick else environment, options) for environment in given]


def _reduced(environment: Environment, options: argparse.Namespace) -> Environment:
    """An environment with the modes, algorithms, arms and seeds that the options choose."""

    def reduced(training: Training) -> Training:
        arms = tuple(arm for arm in training.arms if options.arms is None or arm in options.arms)
        return replace(training, arms=arms, seeds=min(training.seeds, options.seeds or training.seeds))

    trainings = {
        mode: {
            name: reduced(training)
            for name, training in environment.trainings(mode).items()
            if (options.algorithms is None or name in options.algorithms) and options.mode in (None, mode)
        }
        for mode in (OFFLINE, ONLINE)
    }
    searched = environment.searched and next(iter(environment.offline)) in trainings[OFFLINE]  # the search is of the first one
    return replace(environment, offline=trainings[OFFLINE], online=trainings[ONLINE], searched=searched)


def environment_cells(environment: Environment, work: Path) -> list[Cell]:
    """The cells of one environment: its learners, and its radius report where there are offline learners."""
    cells = [learner_cell(environment, learner, work) for learner in environment.all_learners()]
    if environment.offline:
        path = work / "cells" / environment.name / "radius.json"
        compute = partial(_with_datasets, work, partial(run_radius, environment))
        cells.append(Cell((environment.name, "radius"), path, compute, radius_settings(environment), _RADIUS_SECONDS))
    if environment.searched and environment.offline:
        cells += [search_cell(candidate(environment, t), seed, work) for t in TOLERANCES for seed in SEEDS]
    return cells


def search_cell(environment: Environment, seed: int, work: Path) -> Cell:
    """The cell of one candidate of the search, at the environment's tolerance."""
    name = f"tolerance{environment.tolerance:g}"
    path = work / "cells" / environment.name / "search" / f"{name}-seed{seed}.json"
    compute = partial(_with_datasets, work, partial(run_search, environment, seed))
    training = next(iter(environment.offline.values()))
    settings = search_settings(environment, seed)
    return Cell((environment.name, "search", name, seed), path, compute, settings, training.steps * training.cost / 1000)


def dataset_cells(environments: Sequence[Environment], cells: Sequence[Cell], work: Path, existing: bool = True) -> list[Cell]:
    """The cells that collect the datasets which these cells of the environments read.

    Args:
        environments: of the cells.
        cells: that read datasets.
        work: the working folder.
        existing: whether to name datasets that exist already.
    """
    by_name = {environment.name: environment for environment in environments}
    needed = {(str(cell.key[0]), *source) for cell in cells for source in _sources(by_name[str(cell.key[0])], cell)}
    found = [_dataset_cell(by_name[name], kind, seed, work) for name, kind, seed in sorted(needed)]
    folder = _datasets_folder(work)
    return [cell for cell in found if existing or not (folder / str(cell.settings["dataset_id"])).exists()]


def learner_cell(environment: Environment, learner: Learner, work: Path) -> Cell:
    """The cell that trains and scores one policy."""
    training = environment.trainings(learner.mode).get(learner.algorithm)
    seconds = _UNTRAINED_SECONDS if training is None else training.steps * training.cost / 1000
    folder = work / "cells" / learner.env / learner.mode / learner.algorithm / learner.method
    compute = partial(_with_datasets, work, partial(run_learner, environment, learner))
    return Cell(tuple(learner), folder / f"seed{learner.seed}.json", compute, learner_settings(environment, learner), seconds)


def _dataset_cell(environment: Environment, kind: str, seed: int, work: Path) -> Cell:
    """The cell that collects one dataset."""
    name = dataset_id(environment, kind, seed)
    path = work / "cells" / environment.name / f"data-{kind}-seed{seed}.json"
    compute = partial(_with_datasets, work, partial(_collect, environment, kind, seed))
    return Cell((environment.name, "data", kind, seed), path, compute, {"dataset_id": name}, _COLLECT_SECONDS)


def _collect(environment: Environment, kind: str, seed: int) -> Result:
    return {"transitions": len(dataset(environment, kind, seed))}


def _sources(environment: Environment, cell: Cell) -> set[tuple[str, int]]:
    """Kind and seed of the datasets that a cell reads: its training data, and the data at c0 that its radius follows from."""
    learner = Learner.of(cell)
    if learner is None:
        return {("base", int(cell.key[-1]) if cell.key[1] == "search" else 0)}
    if learner.mode == UNTRAINED_MODE:
        return set()
    training, arm = environment.trainings(learner.mode)[learner.algorithm], ARMS[learner.method]
    measured = arm.moves_contexts and training.radius is None
    kinds = {data_kind(learner), "base" if measured or data_kind(learner) == "ldr" else None}
    return {(kind, environment.data_seed(learner.seed)) for kind in kinds if kind is not None}


def _with_datasets(work: Path, compute: Callable[[], Result]) -> Result:
    """Compute with the datasets of this experiment."""
    with datasets_in(_datasets_folder(work)):
        return compute()


def _datasets_folder(work: Path) -> Path:
    return (work / "datasets").resolve()


EXPERIMENT = ContextSampleEnhancement()
