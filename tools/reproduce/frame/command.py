"""The command line of every experiment: run the cells that are missing, then write the report."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tools.reproduce.frame.cells import Cell, Results
from tools.reproduce.frame.experiment import Destination, Experiment
from tools.reproduce.frame.parallel import run_cells

_NOT_SHOWN = ("task", "jobs", "work", "out", "report_only", "list")  # these options do not change any result


def run(experiment: Experiment, arguments: Sequence[str]) -> None:
    """Run an experiment as its command line says."""
    options = parse(experiment, arguments)
    cells = _with_command(experiment, experiment.cells(options), options)
    missing = Results.read(cells).missing
    if options.list:
        print("\n".join(f"{cell}  {cell.cost:.0f} s" for cell in missing))
        print(f"{len(missing)} cells, {sum(cell.cost for cell in missing) / 60:.0f} core-minutes")
        return
    failed = [] if options.task == "report" else run_missing(experiment, missing, options)
    if options.task != "run":
        write_report(experiment, cells, options)
    if failed:
        sys.exit(f"{len(failed)} cells failed: {', '.join(map(str, failed))}")


def run_missing(experiment: Experiment, missing: Sequence[Cell], options: argparse.Namespace) -> list[Cell]:
    """Run what others need first, then the missing cells; returns the cells that failed."""
    failed: list[Cell] = []
    preparation = _with_command(experiment, experiment.preparation(missing, options), options)
    for cells in (preparation, missing):
        failed += run_cells(cells, options.jobs, options.work / "logs", experiment.fresh_processes)
    return failed


def write_report(experiment: Experiment, cells: Sequence[Cell], options: argparse.Namespace) -> None:
    """Write the report from the results that exist, and print its path."""
    results = Results.read(cells)
    if results.missing and not experiment.partial_report:
        sys.exit(f"The report needs all cells, but {len(results.missing)} are missing: {', '.join(map(str, results.missing))}")
    options.out.mkdir(parents=True, exist_ok=True)
    experiment.write_report(results, options, Destination(options.out, shown_command(experiment, options)))
    missing = f"; {len(results.missing)} cells are missing, and the report says so" if results.missing else ""
    print(f"{options.out / experiment.name}.md{missing}")


def parse(experiment: Experiment, arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line. With --quick, cells are kept apart from those of full runs."""
    parser = _parser(experiment)
    options = parser.parse_args(arguments)
    seeds = getattr(options, "seeds", None)
    if options.jobs < 1 or (seeds is not None and seeds < 1):
        parser.error(f"expected at least one job and one seed; found {options.jobs} and {seeds}")
    if options.report_only:
        options.task = "report"
    if options.quick:
        options.work = options.work / "quick"
    return options


def shown_command(experiment: Experiment, options: argparse.Namespace) -> str:
    """The command as a reader would type it: all options that change results and differ from their defaults."""
    defaults = vars(_parser(experiment).parse_args([]))
    words = ["python", "tools/reproduce.py", experiment.name]
    for name, value in vars(options).items():
        if name not in _NOT_SHOWN and value != defaults[name]:
            values = [] if value is True else value if isinstance(value, list | tuple) else [value]
            words += [f"--{name.replace('_', '-')}", *map(str, values)]
    return shlex.join(words)


def _with_command(experiment: Experiment, cells: Sequence[Cell], options: argparse.Namespace) -> list[Cell]:
    """The cells, with the command that their result files name."""
    shown = shown_command(experiment, options)
    return [replace(cell, command=shown) for cell in cells]


def _parser(experiment: Experiment) -> argparse.ArgumentParser:
    """The experiment's own options first, then those of all experiments."""
    parser = argparse.ArgumentParser(
        prog=f"tools/reproduce.py {experiment.name}", description=experiment.description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument(
        "task", nargs="?", default="all", choices=["all", "run", "report"],
        help="run: the cells that are missing; report: from the cells that exist; all (default): both",
    )  # fmt: skip
    experiment.add_options(parser)
    if experiment.has_quick:
        parser.add_argument("--quick", action="store_true", help="hardly any steps, to see that it runs")
    else:
        parser.set_defaults(quick=False)
    parser.add_argument("--report-only", action="store_true", help="the same as the task report")
    parser.add_argument("--list", action="store_true", help="name the cells that are missing, and run none")
    parser.add_argument("--jobs", type=int, default=2, help="cells that run side by side, one thread each (default 2)")
    work = Path(f"out/reproduce-{experiment.name}")
    parser.add_argument("--work", type=Path, default=work, help=f"the folder of cells and logs (default {work})")
    parser.add_argument(
        "--out", type=Path, default=Path("docs/results"), help="the folder of the report (default docs/results)"
    )
    return parser
