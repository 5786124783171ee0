"""`python -m tools.benchmark`, or `python tools/benchmark.py`."""

import sys

from tools.benchmark.command import main

main(sys.argv[1:])
