"""The experiment on the frame: its options, its cells, its datasets and its report."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from tools.datasets import datasets_in
from tools.reproduce.cse.data import data_kind, dataset, dataset_id
from tools.reproduce.cse.environments import BY_NAME, ENVIRONMENTS
from tools.reproduce.cse.learners import learner_settings, run_learner
from tools.reproduce.cse.radius import radius_settings, run_radius
from tools.reproduce.cse.report import write_report
from tools.reproduce.cse.settings import Environment, Learner
from tools.reproduce.frame.cells import Cell, Result, Results
from tools.reproduce.frame.experiment import Destination

_RADIUS_SECONDS = 6.0  # expected, as are the seconds of collecting a dataset
_COLLECT_SECONDS = 10.0


class ContextSampleEnhancement:
    """Baseline, CSE and LDR in every environment."""

    name = "cse"
    description = """Context sample enhancement in every environment: baseline, CSE and LDR over contexts only LDR has seen.

    python tools/reproduce.py cse                       # every cell that is missing, then docs/results/cse.*
    python tools/reproduce.py cse report                # the report alone, from the cells that exist
    python tools/reproduce.py cse --only SimpleDirection PendulumGoal --jobs 2
    python tools/reproduce.py cse --quick --out out/quick   # a minute, to see that it runs; its numbers mean nothing

A cell is one learner (environment / offline or online / algorithm / method / seed), or the radius report of an environment.
To add an environment, add its entry in tools/reproduce/cse/environments.py."""
    fresh_processes = False
    partial_report = True
    has_quick = True

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Options that choose learners."""
        parser.add_argument("--only", nargs="+", choices=list(BY_NAME), help="some of the environments")
        parser.add_argument("--mode", choices=["offline", "online"], help="run one of the two only")
        parser.add_argument("--algorithms", nargs="+", help="run some of the algorithms only")
        parser.add_argument("--seeds", type=int, help="run and report seeds 0 .. N-1 only")

    def cells(self, options: argparse.Namespace) -> Sequence[Cell]:
        """Every learner, and the radius report of every environment with offline learners."""
        return [cell for environment in chosen_environments(options) for cell in environment_cells(environment, options.work)]

    def preparation(self, missing: Sequence[Cell], options: argparse.Namespace) -> Sequence[Cell]:
        """The datasets that the missing cells read and that do not exist."""
        by_name = {environment.name: environment for environment in chosen_environments(options)}
        needed = {(str(cell.key[0]), *source) for cell in missing if (source := _source(by_name[str(cell.key[0])], cell))}
        cells = [_dataset_cell(by_name[name], kind, seed, options.work) for name, kind, seed in sorted(needed)]
        folder = _datasets_folder(options.work)
        return [cell for cell in cells if not (folder / str(cell.settings["dataset_id"])).exists()]

    def write_report(self, results: Results, options: argparse.Namespace, destination: Destination) -> None:
        """Write cse.md, cse.json and the pictures."""
        write_report(chosen_environments(options), results, destination)


def chosen_environments(options: argparse.Namespace) -> list[Environment]:
    """The environments, modes, algorithms and seeds that the options choose."""
    chosen = []
    for environment in ENVIRONMENTS:
        if options.only is None or environment.name in options.only:
            cut = environment.quick() if options.quick else environment
            names = options.algorithms or [*cut.offline, *cut.online]
            offline, online = (
                {name: t for name, t in cut.trainings(mode).items() if name in names and options.mode in (None, mode)}
                for mode in ("offline", "online")
            )
            chosen.append(replace(cut, offline=offline, online=online, seeds=min(cut.seeds, options.seeds or cut.seeds)))
    return chosen


def environment_cells(environment: Environment, work: Path) -> list[Cell]:
    """The cells of one environment: its learners, and its radius report where there are offline learners."""
    cells = [learner_cell(environment, learner, work) for learner in environment.all_learners()]
    if environment.offline:
        path = work / "cells" / environment.name / "radius.json"
        compute = partial(_with_datasets, work, partial(run_radius, environment))
        cells.append(Cell((environment.name, "radius"), path, compute, radius_settings(environment), _RADIUS_SECONDS))
    return cells


def learner_cell(environment: Environment, learner: Learner, work: Path) -> Cell:
    """The cell that trains and scores one learner."""
    training = environment.trainings(learner.mode)[learner.algorithm]
    folder = work / "cells" / learner.env / learner.mode / learner.algorithm / learner.method
    compute = partial(_with_datasets, work, partial(run_learner, environment, learner))
    seconds = training.steps * training.cost / 1000
    return Cell(tuple(learner), folder / f"seed{learner.seed}.json", compute, learner_settings(environment, learner), seconds)


def _dataset_cell(environment: Environment, kind: str, seed: int, work: Path) -> Cell:
    """The cell that collects one dataset."""
    name = dataset_id(environment, kind, seed)
    path = work / "cells" / environment.name / f"data-{kind}-seed{seed}.json"
    compute = partial(_with_datasets, work, partial(_collect, environment, kind, seed))
    return Cell((environment.name, "data", kind, seed), path, compute, {"dataset_id": name}, _COLLECT_SECONDS)


def _collect(environment: Environment, kind: str, seed: int) -> Result:
    return {"transitions": len(dataset(environment, kind, seed))}


def _source(environment: Environment, cell: Cell) -> tuple[str, int] | None:
    """Kind and seed of the dataset that a cell reads; None where it reads none."""
    if cell.key[1:] == ("radius",):
        return "base", 0
    learner = Learner.of(cell)
    kind = None if learner is None else data_kind(learner)
    return None if learner is None or kind is None else (kind, environment.data_seed(learner.seed))


def _with_datasets(work: Path, compute: Callable[[], Result]) -> Result:
    """Compute with the datasets of this experiment."""
    with datasets_in(_datasets_folder(work)):
        return compute()


def _datasets_folder(work: Path) -> Path:
    return (work / "datasets").resolve()


EXPERIMENT = ContextSampleEnhancement()
