"""The verbs of the command line, and how their errors reach the user."""

import errno
import functools
import inspect
import re
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from offctx.cli.clean import clean
from offctx.cli.collect import collect
from offctx.cli.combine import combine
from offctx.cli.demo import demo
from offctx.cli.derivatives import derivatives
from offctx.cli.evaluate import evaluate
from offctx.cli.interrupt import EXIT_CODE, stopped
from offctx.cli.language import in_shell
from offctx.cli.list import list_
from offctx.cli.output import print_error, warnings_as_lines
from offctx.cli.pull import pull
from offctx.cli.push import push
from offctx.cli.select import select
from offctx.cli.show import show
from offctx.cli.train import train
from offctx.cli.train_online import train_online
from offctx.cli.validate import validate
from offctx.errors import OffctxError
from offctx.notices import quiet

_DISK_FAULTS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}

VERBS: tuple[Callable[..., None], ...] = (
    list_,
    collect,
    show,
    validate,
    select,
    combine,
    derivatives,
    train,
    train_online,
    evaluate,
    push,
    pull,
    clean,
    demo,
)

_ABOUT = """Context-labelled offline RL: collect datasets, train d3rlpy agents, score them on contexts they have never seen.

Begin with `offctx list`, which names what there is, or `offctx demo`, which does all of it once in a few minutes.
"""


def make_app() -> typer.Typer:
    """The application with all verbs."""
    app = typer.Typer(
        help=_ABOUT,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(_common)
    for verb in VERBS:
        text = _help(verb)
        app.command(_name(verb), help=text, short_help=re.split("[:;,.]", text)[0])(_stoppable(verb))
    return app


def _print_version(wanted: bool) -> None:
    """Print the version and leave, where --version is given."""
    if wanted:
        from offctx.version import __version__

        typer.echo(f"offctx {__version__}")
        raise typer.Exit


def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """The options of `offctx` itself, before any verb."""


def _stoppable(verb: Callable[..., None]) -> Callable[..., None]:
    """The verb, in which an interrupt ends with one line and exit code 130. (Click would end without a word.)"""

    @functools.wraps(verb)
    def call(*arguments: Any, **options: Any) -> None:
        try:
            verb(*arguments, **options)
        except KeyboardInterrupt as stop:
            print_error(in_shell(stopped(stop), _name(verb)))
            raise typer.Exit(EXIT_CODE) from stop

    return call


def _name(verb: Callable[..., None]) -> str:
    """What the user types: the function's name, with hyphens."""
    return verb.__name__.rstrip("_").replace("_", "-")


def _help(verb: Callable[..., None]) -> str:
    """The docstring of a verb. A mark that click understands keeps the line breaks of paragraphs with indented lines."""
    paragraphs = (inspect.getdoc(verb) or "").split("\n\n")
    return "\n\n".join(f"\b\n{text}" if "\n    " in f"\n{text}" else text for text in paragraphs)


def _verb() -> str:
    """The verb in `sys.argv`, "" where there is none."""
    return next((word for word in sys.argv[1:] if not word.startswith("-")), "")


def run() -> int:
    """Run the command in `sys.argv`.

    Returns:
        The exit code: 0 for success; 1 if validation fails (`validate`), or the disk is full or broken; 2 for bad input.
    """
    quiet()
    try:
        with warnings_as_lines():
            code: Any = make_app()(standalone_mode=False, prog_name="offctx")  # the same for `python -m offctx`
    except OffctxError as error:
        print_error(f"error: {in_shell(str(error), _verb())}")
        return 1 if _of_the_disk(error) else 2
    except Exception as error:
        if hasattr(error, "show") and hasattr(error, "exit_code"):  # click's usage errors
            error.show()
            return int(error.exit_code)
        raise
    return code if isinstance(code, int) else 0  # a verb that exits by itself returns its code


def _of_the_disk(error: BaseException | None) -> bool:
    """Whether an error comes from a disk that is full or broken, so that other input would not help."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _DISK_FAULTS:
            return True
        error = error.__cause__
    return False
