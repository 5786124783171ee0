"""Reproduce what docs/results/ shows.

    python tools/reproduce.py demo      # `make demo` over seeds and algorithms
    python tools/reproduce.py theory    # what the papers behind offctx.linear claim
    python tools/reproduce.py cse       # context sample enhancement in every environment
    python tools/reproduce.py perm      # PERM and PPPO against merged learners, context hidden

A run can be stopped at any time (Ctrl-C); the same command runs the rest. `python tools/reproduce.py EXPERIMENT --help`
lists the options of an experiment, and `--report-only` writes its report again without running anything.
"""

import argparse
import sys

from tools.reproduce import registry
from tools.reproduce.frame import command


def main() -> None:
    """Run the experiment that the first argument names; no other experiment is imported."""
    parser = argparse.ArgumentParser(
        prog="tools/reproduce.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("experiment", choices=list(registry.EXPERIMENTS), help="which experiment")
    name = parser.parse_args(sys.argv[1:2]).experiment
    command.run(registry.load(name), sys.argv[2:])


if __name__ == "__main__":
    main()
