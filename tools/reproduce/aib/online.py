"""DMA*-SH and the methods that it is compared with, online with SAC: the Actuator Inversion Benchmark (arXiv 2602.06550).

    python tools/reproduce.py aib                         # every cell that is missing; writes docs/results/aib.*
    python tools/reproduce.py aib run --tasks DoubleIntegrator --methods dma-star-sh concat dr
    python tools/reproduce.py aib --quick --out out/quick             # to see that it runs

A cell is task / online / method / seed: it trains with 20 contexts side by side, one update after each joint step, and scores
the agent cold and warm. The paper has 100,000 updates; `--updates` says how many there are here.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace

from tools.reproduce.aib.methods import MOST_SEEDS, ONLINE, ONLINE_OF_TASK, SEEDS, online_seeds
from tools.reproduce.aib.offline import EPISODES, chosen, make_cells
from tools.reproduce.aib.report import write_report
from tools.reproduce.aib.settings import ONLINE_KIND, Run
from tools.reproduce.aib.tasks import TASKS
from tools.reproduce.frame.cells import Cell, Results
from tools.reproduce.frame.experiment import Destination, Experiment

_DESCRIPTION = __doc__ or ""
_RANDOM_STEPS = 500


class Online(Experiment):
    """The Actuator Inversion Benchmark."""

    name = "aib"
    description = _DESCRIPTION
    partial_report = True
    has_quick = True

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Options that choose cells."""
        parser.add_argument("--tasks", nargs="+", choices=list(TASKS), help="some of the environments")
        parser.add_argument("--methods", nargs="+", choices=list(ONLINE), help="some of the methods")
        parser.add_argument("--seeds", type=int, help=f"the first N seeds (default {SEEDS}, more of close methods)")
        parser.add_argument("--updates", type=int, help="updates of each learner (default: those of the task)")

    def cells(self, options: argparse.Namespace) -> Sequence[Cell]:
        """Task by task, seed by seed: an interrupted run has whole comparisons."""
        if options.updates is not None and options.updates < 1:
            raise SystemExit(f"--updates: expected at least 1; found {options.updates}")
        runs = [
            online_run(task, method, seed, options.updates)
            for task in TASKS
            for seed in range(options.seeds or MOST_SEEDS)
            for method in ONLINE_OF_TASK[task]
            if chosen(options.tasks, task) and chosen(options.methods, method)
            if options.seeds or seed < online_seeds(task, method)
        ]
        return make_cells(runs, options)

    def write_report(self, results: Results, options: argparse.Namespace, destination: Destination) -> None:
        """Write aib.md, aib.png and aib.json."""
        write_report(self.name, results, destination)


def online_run(task: str, method: str, seed: int, updates: int | None) -> Run:
    """The run of one cell."""
    of = TASKS[task]
    run = Run(task, ONLINE_KIND, method, seed, of.online_updates, 0, _RANDOM_STEPS, EPISODES)
    return run if updates is None else replace(run, updates=updates)


EXPERIMENT = Online()
