"""Starts the package tools/reproduce/ from any folder: `python tools/reproduce.py --help`."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # the repository root instead of tools/
    from tools.reproduce.command import main

    main(sys.argv[1:])
