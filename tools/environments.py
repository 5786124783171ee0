"""Starts the package tools/environments/ from any folder: `python tools/environments.py > docs/environments.md`.

The table of contexts and actions: `python tools/environments.py --summaries > offctx/envs/summaries.json`.
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # the repository root instead of tools/
    from tools.environments.page import page
    from tools.environments.summaries import summaries

    if sys.argv[1:] not in ([], ["--summaries"]):
        sys.exit(f"usage: python {Path(__file__).name} [--summaries]")
    print(summaries() if sys.argv[1:] else page())
