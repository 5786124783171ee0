"""The command line of every experiment: run the cells that are missing, then write the report."""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from offctx.files import write_file
from tools import provenance
from tools.reproduce.frame.cells import Cell, Results
from tools.reproduce.frame.clean import unclean_counts
from tools.reproduce.frame.experiment import Destination, Experiment, Rewritable
from tools.reproduce.frame.parallel import run_cells

_QUICK = "**A run with --quick: hardly any training. It shows that the command works; its numbers mean nothing.**"
_NOT_SHOWN = ("task", "jobs", "work", "out", "report_only", "list", "force", "clean")  # these options do not change any result


def run(experiment: Experiment, arguments: Sequence[str]) -> None:
    """Run an experiment as its command line says."""
    options = parse(experiment, arguments)
    cells = _with_command(experiment, experiment.cells(options), options)
    missing = Results.read(cells).missing
    if options.list:
        print("\n".join(f"{cell}  {cell.cost:.0f} s" for cell in missing))
        print(f"{len(missing)} cells, {sum(cell.cost for cell in missing) / 60:.0f} core-minutes")
        return
    if options.task != "report" and missing:
        check_code(options.clean)
    failed = [] if options.task == "report" else run_missing(experiment, missing, options)
    if options.task != "run":
        write_report(experiment, cells, options)
    if failed:
        sys.exit(f"{len(failed)} cells failed: {', '.join(map(str, failed))}")


def check_code(clean: bool) -> None:
    """Warn, or with `clean` refuse to go on, where code files differ from the commit."""
    code = provenance.code_state()
    if code.clean:
        return
    if clean:
        sys.exit(f"--clean: expected the code of a commit, found {code}. Commit the changed files, or leave out --clean.")
    print(f"Warning: the code is not that of a commit: {code}. The report will name the cells that run now.", file=sys.stderr)


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
    sources = Results.read(experiment.sources([cell for cell, _ in results.finished], options))
    results = replace(results, sources=sources.finished, unrecorded=sources.missing)
    if results.missing and rewrite_stored_report(experiment, len(results.missing), options):
        return
    if reason := refusal(experiment, results, options):
        sys.exit(reason)
    options.out.mkdir(parents=True, exist_ok=True)
    experiment.write_report(results, options, Destination(options.out, shown_command(experiment, options)))
    if options.quick:
        mark_quick(options.out / f"{experiment.name}.md")
    missing = f"; {len(results.missing)} cells are missing, and the report says so" if results.missing else ""
    unclean = "".join(f"; {text}" for text in unclean_counts(results.cell_commits))
    print(f"{options.out / experiment.name}.md{missing}{unclean}")


def rewrite_stored_report(experiment: Experiment, missing: int, options: argparse.Namespace) -> bool:
    """For the task report without all cells: write the report again from the JSON file of the same command, if there is one.

    Args:
        experiment: whose report.
        missing: number of missing cells, for the printed line.
        options: the command line.

    Returns:
        Whether the report was written.
    """
    if options.task != "report" or not isinstance(experiment, Rewritable):
        return False
    if _stored_report(experiment, options.out).get("command") != shown_command(experiment, options):
        return False
    experiment.rewrite_report(options.out)
    if options.quick:
        mark_quick(options.out / f"{experiment.name}.md")
    path = options.out / experiment.name
    print(f"{path}.md, from the numbers stored in {path}.json: {missing} cells are missing in {options.work}")
    return True


def mark_quick(report: Path) -> None:
    """Say below the title of a report that it is of a run with --quick."""
    title, _, rest = report.read_text().partition("\n")
    write_file(report, f"{title}\n\n{_QUICK}\n{rest}")


def refusal(experiment: Experiment, results: Results, options: argparse.Namespace) -> str | None:
    """Why the report is not written, and what to do; None if it can be written."""
    command = shown_command(experiment, options)
    advice = (
        f"Cells were looked for in {options.work} (--work). To compute the missing cells, run `{command}` with the same --work."
    )
    if results.missing and not experiment.partial_report:
        names = ", ".join(map(str, results.missing))
        return f"The report needs all cells, but {len(results.missing)} are missing: {names}. {advice}"
    if not results.finished:
        return f"The report needs at least one finished cell, but none exists. {advice}"
    if options.clean and results.unclean:
        names = ", ".join(results.unclean)
        counts = " and ".join(unclean_counts(results.cell_commits))
        return f"--clean: {counts}: {names}. Delete their result files (of a dataset, its folder), and run again."
    report = options.out / f"{experiment.name}.md"
    stored = _stored_report(experiment, options.out)
    if options.force or not (stored or report.exists()):
        return None
    lost = {str(cell) for cell in results.missing} - set(stored.get("missing", ()))
    if not lost:
        return None
    return (
        f"{report} exists, and the new report would not have {len(lost)} cells that the existing report has, for example "
        f"{min(lost)}. {advice} To write to another folder, use --out; to replace the existing report, use --force."
    )


def _stored_report(experiment: Experiment, folder: Path) -> dict[str, Any]:
    """The content of the experiment's JSON file in the folder; empty if there is none."""
    try:
        stored: dict[str, Any] = json.loads((folder / f"{experiment.name}.json").read_text())
    except FileNotFoundError:
        return {}
    return stored


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
    parser.add_argument("--force", action="store_true", help="replace an existing report that has cells which are missing now")
    parser.add_argument(
        "--clean", action="store_true", help="for results to publish: refuse code and cells that are not those of a commit"
    )
    parser.add_argument("--list", action="store_true", help="name the cells that are missing, and run none")
    parser.add_argument("--jobs", type=int, default=2, help="cells that run side by side, one thread each (default 2)")
    work = Path(f"out/reproduce-{experiment.cells_of or experiment.name}")
    parser.add_argument("--work", type=Path, default=work, help=f"the folder of cells and logs (default {work})")
    parser.add_argument(
        "--out", type=Path, default=Path("docs/results"), help="the folder of the report (default docs/results)"
    )
    return parser
