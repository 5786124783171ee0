"""What the command line prints: results on standard output, progress and messages on standard error."""

import contextlib
import json
import shlex
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import typer

from offctx.errors import OffctxWarning
from offctx.words import printable


def print_result(result: Any) -> None:
    """Print text, and anything else as JSON. Control characters are made visible; JSON escapes them itself."""
    typer.echo(printable(result) if isinstance(result, str) else json.dumps(result, allow_nan=False, indent=1))


def print_error(message: str) -> None:
    """Print a line on standard error. Control characters are made visible."""
    typer.echo(printable(message), err=True)


def command_line() -> str:
    """The command as it was typed, for a shell."""
    return shlex.join(["offctx", *sys.argv[1:]])


@contextlib.contextmanager
def long_work(as_json: bool) -> Iterator[None]:
    """Keep standard output for the result: with --json, what libraries print meanwhile goes to standard error."""
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        yield


@contextlib.contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Print a warning of offctx as one line. Python would print the place in the source too."""
    before = warnings.formatwarning

    def line(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> str:
        return (
            f"warning: {printable(str(message))}\n"
            if issubclass(category, OffctxWarning)
            else before(message, category, *place, **more)
        )

    warnings.formatwarning = line
    try:
        yield
    finally:
        warnings.formatwarning = before
