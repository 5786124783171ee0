"""What is run: the four arms that say whether the context matters, in every environment; their cells are those of "cse"."""

import argparse
from collections.abc import Sequence
from dataclasses import replace

from tools.reproduce.cse.arms import TOLD, UNTOLD
from tools.reproduce.cse.environments import BY_NAME, ENVIRONMENTS
from tools.reproduce.cse.experiment import dataset_cells, learner_cell
from tools.reproduce.cse.own import add_own_options, own_environment
from tools.reproduce.cse.settings import Environment
from tools.reproduce.frame.cells import Cell, Results
from tools.reproduce.frame.experiment import Destination, Experiment
from tools.reproduce.matters.report import write_report


class Matters(Experiment):
    """LDR and GDR against policies that do not see the context."""

    name = "matters"
    description = """Does the context matter here? Policies that are told it against those that are not, in every environment.

    python tools/reproduce.py matters                   # the cells that are missing, then docs/results/matters.*
    python tools/reproduce.py matters --only PendulumGoal CartGoal
    python tools/reproduce.py matters --env my_package:MyTask-v0 --sweep target --sweep mass=0.5,2 --out out/my-task

Told: LDR and GDR. Not told: the context hidden, with the data at c0 and with GDR's; zero and random action.
The cells are those of the experiment cse
(the same --work), so that nothing is computed twice."""
    partial_report = True
    has_quick = True
    cells_of = "cse"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Options that choose environments."""
        parser.add_argument("--only", nargs="+", choices=list(BY_NAME), help="some of the environments")
        add_own_options(parser)
        parser.add_argument("--seeds", type=int, help="run and report seeds 0 .. N-1 only")

    def cells(self, options: argparse.Namespace) -> Sequence[Cell]:
        """The four arms, and the untrained policies."""
        return [
            learner_cell(environment, learner, options.work)
            for environment in chosen_environments(options)
            for learner in environment.all_learners()
        ]

    def preparation(self, missing: Sequence[Cell], options: argparse.Namespace) -> Sequence[Cell]:
        """The datasets that the missing cells read and that do not exist."""
        return dataset_cells(chosen_environments(options), missing, options.work, existing=False)

    def sources(self, cells: Sequence[Cell], options: argparse.Namespace) -> Sequence[Cell]:
        """The datasets that these cells have read."""
        return dataset_cells(chosen_environments(options), cells, options.work)

    def write_report(self, results: Results, options: argparse.Namespace, destination: Destination) -> None:
        """Write matters.md and matters.json."""
        write_report(chosen_environments(options), results, destination)


def chosen_environments(options: argparse.Namespace) -> list[Environment]:
    """The environments with one algorithm each, the first offline one, and the four arms."""
    given = own_environment(options)
    chosen = [given] if given else [entry for entry in ENVIRONMENTS if options.only is None or entry.name in options.only]
    return [_four_arms(entry.quick() if options.quick else entry, options.seeds) for entry in chosen]


def _four_arms(environment: Environment, seeds: int | None) -> Environment:
    name, training = next(iter(environment.offline.items()))
    reduced = replace(training, arms=(*UNTOLD, *TOLD), seeds=min(training.seeds, seeds or training.seeds))
    return replace(environment, offline={name: reduced}, online={})


EXPERIMENT = Matters()
