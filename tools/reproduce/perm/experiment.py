"""The experiment on the frame: its options, its cells and its report."""

import argparse
from collections.abc import Sequence
from dataclasses import replace

from tools.reproduce.frame.cells import Cell, Results
from tools.reproduce.frame.experiment import Destination
from tools.reproduce.perm.report import write_report
from tools.reproduce.perm.studies import STUDIES
from tools.reproduce.perm.study import Study


class DeepPERM:
    """PERM and PPPO against merged learners."""

    name = "perm"
    description = """PERM and PPPO against merged offline learners, on contextual tasks whose context the policy does not see.

    python tools/reproduce.py perm                       # every cell that is missing, then docs/results/perm.*
    python tools/reproduce.py perm report                # the report alone, from the cells that exist
    python tools/reproduce.py perm --only collapse cross --seeds 3 --jobs 2
    python tools/reproduce.py perm --quick --out out/quick   # to see that it runs; its numbers mean nothing

A cell is one learner with one seed: study / data / method / seed. Studies (arXiv 2503.07988):

- collapse: Proposition 4.1 with deep learners. Contexts with high returns have the poorer behaviour and more data. Data
  merged without labels then describe an average MDP in which the poor behaviour looks better.
- cross: the two factors of the paper's IQL-nV, the number of value networks and the kind of policy.
- pessimism: beta = 0 against larger values on poorly covered data.
- cost: PERM against PPPO as the number of contexts grows.
- search: how hyperparameters were chosen; it runs only if --only names it."""
    fresh_processes = True  # cells measure the peak memory of their process
    partial_report = True
    has_quick = True

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Options that choose cells."""
        parser.add_argument("--only", nargs="+", choices=list(STUDIES), help="some of the studies")
        parser.add_argument("--methods", nargs="+", help="run some of the methods only")
        parser.add_argument("--seeds", type=int, help="run and report the first N seeds only")

    def cells(self, options: argparse.Namespace) -> Sequence[Cell]:
        """Every learner and seed that the options choose."""
        return [cell for study in chosen_studies(options) for cell in study.cells(options.work)]

    def preparation(self, missing: Sequence[Cell], options: argparse.Namespace) -> Sequence[Cell]:
        """None: each cell collects its own data."""
        return []

    def write_report(self, results: Results, options: argparse.Namespace, destination: Destination) -> None:
        """Write perm.md, perm.json and the pictures."""
        write_report(chosen_studies(options), results, destination)


def chosen_studies(options: argparse.Namespace) -> list[Study]:
    """The studies, methods and seeds that the options choose."""
    names = options.only or [name for name, study in STUDIES.items() if not study.optional]
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
