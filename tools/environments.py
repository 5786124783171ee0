"""Starts the package tools/environments/ from any folder: `python tools/environments.py > docs/environments.md`."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # the repository root instead of tools/
    from tools.environments.page import page

    print(page())
