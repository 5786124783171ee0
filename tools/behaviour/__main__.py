"""`python -m tools.behaviour`, or `python tools/behaviour.py`."""

import sys

from tools.behaviour.command import main

main(sys.argv[1:])
