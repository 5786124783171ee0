"""What an experiment must provide."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from tools.reproduce.frame.cells import Cell, Results


@dataclass(frozen=True)
class Destination:
    """Where a report goes, and what it says about itself.

    Attributes:
        folder: of the report's files.
        command: the command that makes the report, as a reader would type it.
    """

    folder: Path
    command: str


class Experiment(Protocol):
    """One experiment; `frame.command.run` runs it. A subclass inherits the defaults.

    Attributes:
        name: on the command line; also of the report (docs/results/NAME.md) and of the working folder.
        description: for --help.
        fresh_processes: whether each cell runs in a process of its own (see `parallel.run_cells`).
        partial_report: whether the report can be written while cells are missing.
        has_quick: whether the experiment has a form with hardly any work (--quick).
        cells_of: the experiment whose working folder it shares, so that no cell is run twice; "" for a folder of its own.
    """

    name: str
    description: str
    fresh_processes: bool = False
    partial_report: bool = False
    has_quick: bool = False
    cells_of: str = ""

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the experiment's own options."""
        return None

    def cells(self, options: argparse.Namespace) -> Sequence[Cell]:
        """Every cell that the options ask for, in the order in which cells should run."""

    def preparation(self, missing: Sequence[Cell], options: argparse.Namespace) -> Sequence[Cell]:
        """Cells whose results other cells read, for example shared datasets; they run before all others.

        Args:
            missing: the cells that are going to run.
            options: the command line.
        """
        return ()

    def sources(self, cells: Sequence[Cell], options: argparse.Namespace) -> Sequence[Cell]:
        """The cells of `preparation` that these cells read, also those that are finished: their commits count too.

        Args:
            cells: the finished cells.
            options: the command line.
        """
        return ()

    def write_report(self, results: Results, options: argparse.Namespace, destination: Destination) -> None:
        """Write the report, from results alone."""


@runtime_checkable
class Rewritable(Protocol):
    """An experiment whose NAME.json holds every number of its report, so that the report needs no cells."""

    def rewrite_report(self, folder: Path) -> None:
        """Write the report in `folder` again, from the NAME.json in `folder`."""
