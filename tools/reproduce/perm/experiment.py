"""The experiment on the frame: its options, its cells and its report."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from tools.reproduce.frame.cells import Cell, Results, plain
from tools.reproduce.frame.experiment import Destination, Experiment
from tools.reproduce.perm.cell import CONTROLS, prepare_replays
from tools.reproduce.perm.data import DataSettings
from tools.reproduce.perm.natural import BUDGETS
from tools.reproduce.perm.report import write_report
from tools.reproduce.perm.studies import STUDIES
from tools.reproduce.perm.studies.cost import STUDY as COST
from tools.reproduce.perm.study import Study
from tools.reproduce.perm.tasks import TASKS


class DeepPERM(Experiment):
    """PERM and PPPO against merged learners."""

    name = "perm"
    description = """PERM and PPPO against merged offline learners, on contextual tasks whose context the policy does not see.

    python tools/reproduce.py perm                       # every cell that is missing, then docs/results/perm.*
    python tools/reproduce.py perm report                # the report alone, from the cells that exist
    python tools/reproduce.py perm --only collapse cross --seeds 3 --jobs 2
    python tools/reproduce.py perm --quick --out out/quick   # to see that it runs; its numbers mean nothing

A cell is one learner with one seed: study / data / method / seed. Studies (arXiv 2503.07988):

- collapse: Proposition 4.1 with deep learners. Contexts with high returns have the poorer behaviour and more data. Data
  merged without labels then describe an average MDP in which the poor behaviour looks better. Simpler uses of the labels.
- natural: each context's own SAC replay; nothing is arranged.
- cross: the two factors of the paper's IQL-nV, the number of value networks and the kind of policy.
- levels: the same on 200 generated levels with discrete actions, as in Procgen.
- pessimism: beta = 0 against larger values on poorly covered data.
- cost: PERM against PPPO as the number of contexts grows.
- controls: zero and random actions in the contexts of all studies; they always run.
- search, levels-tuning: how hyperparameters are chosen; they run only if --only names them.

python -m tools.reproduce.perm.restore makes result files from docs/results/perm.json: then only new cells run."""
    fresh_processes = False
    partial_report = True
    has_quick = True

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Options that choose cells."""
        parser.add_argument("--only", nargs="+", choices=list(STUDIES), help="some of the studies")
        parser.add_argument("--methods", nargs="+", help="run some of the methods only")
        parser.add_argument("--seeds", type=int, help="run and report the first N seeds only")

    def cells(self, options: argparse.Namespace) -> Sequence[Cell]:
        """Every learner and seed that the options choose."""
        studies = chosen_studies(options)
        self.fresh_processes = any(study.name == COST.name for study in studies)  # its cells measure their process's memory
        return [cell for study in studies for cell in study.cells(options.work)]

    def preparation(self, missing: Sequence[Cell], options: argparse.Namespace) -> Sequence[Cell]:
        """The replays of natural data, which several cells share; other data are collected by each cell."""
        data = [(DataSettings(**cell.settings["data"]), cell.key[-1]) for cell in missing]
        natural = dict.fromkeys((each, int(seed)) for each, seed in data if each.arrangement == "natural")
        cells = [_replay_cell(each, seed, options.work) for each, seed in natural]
        return [cell for cell in cells if cell.result() is None]

    def write_report(self, results: Results, options: argparse.Namespace, destination: Destination) -> None:
        """Write perm.md, perm.json and the pictures."""
        write_report(chosen_studies(options), results, destination, options.work)


def _replay_cell(data: DataSettings, seed: int, work: Path) -> Cell:
    """Trains the agents whose replays are natural data, and stores them."""
    return Cell(
        key=("replays", str(data), seed),
        path=work / "cells" / "replays" / str(data) / f"seed{seed}.json",
        compute=partial(prepare_replays, data, seed, work / "datasets"),
        settings=plain({"data": asdict(data), "budget": str(BUDGETS[data.task]), "gamma": TASKS[data.task].gamma}),
        cost=30.0,
    )


def chosen_studies(options: argparse.Namespace) -> list[Study]:
    """The studies, methods and seeds that the options choose."""
    names = options.only or [name for name, study in STUDIES.items() if not study.optional]
    names = list(dict.fromkeys([CONTROLS, *names]))  # every section shows them
    studies = [STUDIES[name].quick() if options.quick else STUDIES[name] for name in names]
    return [
        replace(
            study,
            conditions=[c for c in study.conditions if options.methods is None or c.method in options.methods],
            seeds=study.seeds[: options.seeds],
        )
        for study in studies
    ]


EXPERIMENT = DeepPERM()
