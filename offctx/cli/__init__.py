"""The command line, one file a verb. `main` is the entry point; this file imports nothing that takes time.

An interrupt (Ctrl-C) ends the command with one line and exit code 130, also while libraries are still being imported.
"""

import sys

from offctx.cli.interrupt import EXIT_CODE, before_training, interrupt_on_termination, stopped


def main() -> None:
    """Run the command in `sys.argv`. Bad input ends with one line that says what was wrong and what is valid."""
    interrupt_on_termination()
    try:
        with before_training(next((word for word in sys.argv[1:] if not word.startswith("-")), "")):
            from offctx.cli.app import run
        code = run()
    except KeyboardInterrupt as stop:
        sys.stderr.write(f"{stopped(stop)}\n")
        code = EXIT_CODE
    sys.exit(code)
