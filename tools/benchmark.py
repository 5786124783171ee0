"""Starts the package tools/benchmark/ beside this file: `python tools/benchmark.py --help` explains the command."""

import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the repository, in which the package is tools.benchmark
    runpy.run_module("tools.benchmark", run_name="__main__")
