"""Does an agent that learns from data whose contexts are hidden come near one that was told them?

    python tools/reproduce.py aib-offline                 # every cell that is missing; writes docs/results/aib-offline.*
    python tools/reproduce.py aib-offline run --tasks DoubleIntegrator --kinds mixture random --methods dma-star-sh
    python tools/reproduce.py aib-offline --quick --out out/quick     # to see that it runs

A cell is task / kind of data / method / seed: it collects its data, trains TD3+BC with one way of inferring the context (or
BC, IQL and PERM beside it), and scores the agent cold and warm in contexts within and outside of those of the data.
"""

import argparse
from collections.abc import Sequence
from functools import partial

from tools.reproduce.aib.cell import run_cell
from tools.reproduce.aib.controls import control_cell
from tools.reproduce.aib.methods import OFFLINE, SEEDS, VARIANTS
from tools.reproduce.aib.report import write_report
from tools.reproduce.aib.settings import Run, cell_path
from tools.reproduce.aib.tasks import BLIND_BEHAVIOUR, EXPERT, KINDS, MIXTURE, RANDOM, TASKS
from tools.reproduce.aib.tasks import OFFLINE as OFFLINE_TASKS
from tools.reproduce.frame.cells import Cell, Results
from tools.reproduce.frame.experiment import Destination, Experiment

_DESCRIPTION = __doc__ or ""
_ORDER = (MIXTURE, RANDOM, BLIND_BEHAVIOUR, EXPERT)  # of the cells: first those that the goal is for
EPISODES = 10
_SECONDS_AN_UPDATE, _OTHER_SECONDS = 0.018, 20.0
_WITH_VARIANTS = ("DoubleIntegrator", MIXTURE)


class Offline(Experiment):
    """Context inference from data whose contexts are hidden."""

    name = "aib-offline"
    description = _DESCRIPTION
    partial_report = True
    has_quick = True
    cells_of = "aib"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Options that choose cells."""
        parser.add_argument("--tasks", nargs="+", choices=OFFLINE_TASKS, help="some of the environments")
        parser.add_argument("--kinds", nargs="+", choices=list(KINDS), help="some of the kinds of data")
        parser.add_argument("--methods", nargs="+", choices=list(OFFLINE), help="some of the methods")
        parser.add_argument("--seeds", type=int, default=SEEDS, help=f"the first N seeds only (default {SEEDS})")

    def cells(self, options: argparse.Namespace) -> Sequence[Cell]:
        """Task by task, kind by kind, seed by seed: an interrupted run has whole comparisons."""
        runs = [
            offline_run(task, kind, method, seed)
            for task in OFFLINE_TASKS
            for kind in _ORDER
            for seed in range(options.seeds)
            for method in methods_of(task, kind)
            if chosen(options.tasks, task) and chosen(options.kinds, kind) and chosen(options.methods, method)
        ]
        return make_cells(runs, options)

    def write_report(self, results: Results, options: argparse.Namespace, destination: Destination) -> None:
        """Write aib-offline.md, aib-offline.png and aib-offline.json."""
        write_report(self.name, results, destination)


def methods_of(task: str, kind: str) -> list[str]:
    """The methods that a task has on one kind of data."""
    return [method for method in OFFLINE if method not in VARIANTS or (task, kind) == _WITH_VARIANTS]


def offline_run(task: str, kind: str, method: str, seed: int) -> Run:
    """The run of one cell."""
    of = TASKS[task]
    return Run(task, kind, method, seed, of.updates, of.data_episodes, random_steps=0, episodes=EPISODES)


def chosen(names: Sequence[str] | None, name: str) -> bool:
    """Whether an option that names some of several things, or is left out, chooses one of them."""
    return names is None or name in names


def make_cells(runs: Sequence[Run], options: argparse.Namespace) -> list[Cell]:
    """The cells of runs, after those of their tasks' controls."""
    episodes = 1 if options.quick else EPISODES
    controls = [control_cell(task, episodes, options) for task in dict.fromkeys(run.task for run in runs)]
    return [*controls, *(make_cell(run.quick() if options.quick else run, options) for run in runs)]


def make_cell(run: Run, options: argparse.Namespace) -> Cell:
    """The cell of a run."""
    cost = _OTHER_SECONDS + run.updates * _SECONDS_AN_UPDATE
    return Cell(run.key, cell_path(options.work, run.key), partial(run_cell, run), run.to_dict(), cost)


EXPERIMENT = Offline()
