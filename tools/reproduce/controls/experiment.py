"""What is run: every arm of TD3 on RotatedThrusters, or on a task of the user's own; its cells are those of "cse"."""

import argparse
from collections.abc import Sequence
from dataclasses import replace

from tools.reproduce.controls.report import write_report
from tools.reproduce.cse.environments import BY_NAME
from tools.reproduce.cse.experiment import dataset_cells, environment_cells
from tools.reproduce.cse.own import add_own_options, own_environment
from tools.reproduce.cse.settings import Environment
from tools.reproduce.frame.cells import Cell, Results
from tools.reproduce.frame.experiment import Destination, Experiment

TASK, ALGORITHM = "RotatedThrusters", "td3"


class Controls(Experiment):
    """The headline of README: CSE beside every control."""

    name = "controls"
    description = """CSE beside every control and reference: TD3 on RotatedThrusters with ten seeds, or a task of your own.

    python tools/reproduce.py controls                  # every cell that is missing; writes docs/results/controls.*
    python tools/reproduce.py controls --env my_package:MyTask-v0 --sweep target --sweep mass=0.5,2 --out out/my-task

The published run took 62 core-minutes on cores that other programs shared (docs/results/controls.md). A report adds up the
times of its cells as they were measured.
The cells are those of the experiment cse (the same --work), so that nothing is computed twice."""
    partial_report = True
    has_quick = True
    cells_of = "cse"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Options that choose the task."""
        add_own_options(parser)
        parser.add_argument("--algorithms", nargs=1, metavar="NAME", help="with --env, a d3rlpy algorithm by name")
        parser.add_argument("--seeds", type=int, help="run and report seeds 0 .. N-1 only (default: 10; with --env: 5)")

    def cells(self, options: argparse.Namespace) -> Sequence[Cell]:
        """Every arm, and the radius report; not the search for the tolerance, which belongs to the experiment cse."""
        cells = environment_cells(chosen_environment(options), options.work)
        return [cell for cell in cells if cell.key[1] != "search"]

    def preparation(self, missing: Sequence[Cell], options: argparse.Namespace) -> Sequence[Cell]:
        """The datasets that the missing cells read and that do not exist."""
        return dataset_cells([chosen_environment(options)], missing, options.work, existing=False)

    def sources(self, cells: Sequence[Cell], options: argparse.Namespace) -> Sequence[Cell]:
        """The datasets that these cells have read."""
        return dataset_cells([chosen_environment(options)], cells, options.work)

    def write_report(self, results: Results, options: argparse.Namespace, destination: Destination) -> None:
        """Write controls.md, controls.json and controls.png."""
        write_report(chosen_environment(options), results, destination)


def chosen_environment(options: argparse.Namespace) -> Environment:
    """The task with one algorithm."""
    own = own_environment(options)
    if own is None and options.algorithms:
        raise SystemExit(
            f"--algorithms {options.algorithms[0]}: expected --env beside it, which names the environment; found none"
        )
    environment = own or _headline(options.seeds)
    return environment.quick() if options.quick else environment


def _headline(seeds: int | None) -> Environment:
    environment = BY_NAME[TASK]
    training = environment.offline[ALGORITHM]
    return replace(
        environment, offline={ALGORITHM: replace(training, seeds=min(training.seeds, seeds or training.seeds))}, online={}
    )


EXPERIMENT = Controls()
