"""The command line, one file a verb. `main` is the entry point; this file imports nothing that takes time.

An interrupt (Ctrl-C) ends the command with one line and exit code 130, also while libraries are still being imported.
"""

import signal
import sys
from typing import Any


def main() -> None:
    """Run the command in `sys.argv`. Bad input ends with one line that says what was wrong and what is valid."""
    signal.signal(signal.SIGTERM, _interrupt)  # so that what is half-written is removed
    try:
        from offctx.cli.app import run

        code = run()
    except KeyboardInterrupt as stop:
        sys.stderr.write(f"{stopped(stop)}\n")
        code = 130
    sys.exit(code)


def stopped(stop: KeyboardInterrupt) -> str:
    """What the user reads after an interrupt: what became of the work, where the work said so."""
    return f"stopped: {stop}" if str(stop) else "stopped"


def _interrupt(signal_number: int, frame: Any) -> None:
    raise KeyboardInterrupt
