"""Measures what the papers behind offctx.linear claim: PERM, PPPO and PEVI (arXiv 2503.07988, 2012.15085), CEBE (2507.07348).

    python tools/reproduce.py theory                    # about 10 minutes on two free cores; writes docs/results/theory.*
    python tools/reproduce.py theory --seeds 2 --population 20 --environments 2 4 8 --out out/theory

A cell is one check with one seed. If cells are missing, --report-only uses the numbers stored in theory.json.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from tools.reproduce.frame.cells import Cell, Results, plain
from tools.reproduce.frame.experiment import Destination, Experiment
from tools.reproduce.theory.checks import BY_NAME
from tools.reproduce.theory.records import gather, records_from_json, records_to_json
from tools.reproduce.theory.report import Report
from tools.reproduce.theory.sizes import Sizes, add_size_options

_DESCRIPTION = __doc__ or ""  # inside the class, __doc__ is the docstring of the class


class Theory(Experiment):
    """The claims of the papers, measured."""

    name = "theory"
    description = _DESCRIPTION

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """The choice of checks, and the sizes."""
        parser.add_argument("--only", nargs="+", choices=list(BY_NAME), help="some of the checks")
        add_size_options(parser)

    def cells(self, options: argparse.Namespace) -> Sequence[Cell]:
        """Every check with every seed."""
        sizes = Sizes.from_values(vars(options))
        settings = plain(asdict(sizes))
        del settings["seeds"]  # a cell is one seed, whatever their number
        return [
            Cell(
                key=(check.name, seed),
                path=options.work / "cells" / check.name / f"seed{seed}.json",
                compute=partial(run_check, check.name, seed, sizes),
                settings=settings,
                cost=check.seconds,
            )
            for check in BY_NAME.values()
            if options.only is None or check.name in options.only
            for seed in range(sizes.seeds if check.seeded else 1)
        ]

    def write_report(self, results: Results, options: argparse.Namespace, destination: Destination) -> None:
        """Write theory.md, theory.json and the pictures."""
        by_check: dict[str, list[Any]] = {}
        for cell, result in results.finished:
            by_check.setdefault(str(cell.key[0]), []).append(records_from_json(result["records"]))
        measured = {name: gather(seeds) for name, seeds in by_check.items()}
        sizes = Sizes.from_values(vars(options))
        commit, python, torch = map(", ".join, (results.commits, results.versions("python"), results.versions("torch")))
        report = Report(measured, sizes, destination.command, commit, python, torch, results.cell_commits)
        report.write(destination.folder)

    def rewrite_report(self, folder: Path) -> None:
        """Write theory.md, theory.json and the pictures again, from theory.json."""
        Report.read(folder / "theory.json").write(folder)


def run_check(name: str, seed: int, sizes: Sizes) -> Mapping[str, Any]:
    """Compute one cell."""
    return {"records": records_to_json(BY_NAME[name].measure(seed, sizes))}


EXPERIMENT = Theory()
