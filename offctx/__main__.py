"""`python -m offctx` is the command `offctx`."""

from offctx.cli import main

main()
