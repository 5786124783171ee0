"""Reproduce what docs/results/ shows; each experiment is a module beside this one, with options of its own.

    python tools/reproduce.py demo      # `make demo` over seeds and algorithms: demo_seeds.py
    python tools/reproduce.py theory    # what the papers of the linear core claim: theory.py
    python tools/reproduce.py cse       # context sample enhancement in every environment: cse.py
    python tools/reproduce.py perm      # PERM and PPPO against merged learners, context hidden: perm.py

`python tools/reproduce.py EXPERIMENT --help` lists its options.
"""

import argparse
import importlib
import sys

EXPERIMENTS = {"demo": "demo_seeds", "theory": "theory", "cse": "cse", "perm": "perm"}


def main() -> None:
    """Run the experiment that the first argument names; only its module is imported."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", choices=list(EXPERIMENTS), help="which experiment")
    args = parser.parse_args(sys.argv[1:2])
    importlib.import_module(EXPERIMENTS[args.experiment]).main(sys.argv[2:])


if __name__ == "__main__":
    main()
