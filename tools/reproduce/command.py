"""Reproduce what docs/results/ shows: `python tools/reproduce.py EXPERIMENT`.

A run can be stopped at any time (Ctrl-C); the same command runs the rest. `python tools/reproduce.py EXPERIMENT --help`
lists the options of an experiment, and `--report-only` writes its report again without running anything.
"""

import argparse
import sys
from collections.abc import Sequence

from tools.reproduce import registry
from tools.reproduce.frame.command import run

_INTERRUPTED = 130  # the exit status that shells expect after Ctrl-C


def main(arguments: Sequence[str]) -> None:
    """Run the experiment that the first argument names; no other experiment is imported."""
    rows = "\n".join(f"  {name:8}{row.summary}" for name, row in registry.EXPERIMENTS.items())
    parser = argparse.ArgumentParser(
        prog="tools/reproduce.py", description=__doc__, epilog=f"experiments:\n{rows}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("experiment", choices=list(registry.EXPERIMENTS), help="which experiment")
    name = parser.parse_args(arguments[:1]).experiment
    try:
        run(registry.load(name), arguments[1:])
    except KeyboardInterrupt:
        print("Interrupted. Finished cells are kept; the same command runs the rest.", file=sys.stderr)
        sys.exit(_INTERRUPTED)
