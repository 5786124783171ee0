"""Options of the command line for an environment of the user's own."""

import argparse
from collections.abc import Sequence

import gymnasium

from offctx.errors import OffctxError
from tools.reproduce.cse.environments import own
from tools.reproduce.cse.settings import Environment

_SEEDS = 5


def add_own_options(parser: argparse.ArgumentParser) -> None:
    """Add --env and --sweep."""
    parser.add_argument("--env", help="an environment of your own instead, by its Gymnasium id: Task-v0 or module:Task-v0")
    parser.add_argument(
        "--sweep", action="append", default=[], metavar="NAME[=V,V,...]",
        help="with --env, a coordinate to sweep, and its values (default: all coordinates, 9 values within the bounds)",
    )  # fmt: skip


def own_environment(options: argparse.Namespace) -> Environment | None:
    """The environment that --env names, with the first of --algorithms and with --seeds; None without --env."""
    algorithms = getattr(options, "algorithms", None)
    _check_algorithms(algorithms or ())
    if options.env is not None and getattr(options, "only", None):
        raise SystemExit(
            f"expected --env or --only, not both: --only chooses among known environments; found {options.env} and "
            f"{' '.join(options.only)}"
        )
    if options.env is None:
        if options.sweep:
            raise SystemExit(f"--sweep {options.sweep[0]}: expected --env beside it, which names the environment; found none")
        return None
    sweeps = read_sweeps(options.sweep)
    try:
        environment = own(options.env, sweeps, algorithms[0] if algorithms else None, options.seeds or _SEEDS)
        empty = [name for name, rows in environment.splits().items() if not len(rows)]
    except (OffctxError, gymnasium.error.Error, ImportError) as error:
        raise SystemExit(f"--env {options.env}: {error}") from None
    if empty:
        raise SystemExit(f"--sweep: expected contexts beside c0; {', '.join(empty)} has none")
    return environment


def _check_algorithms(names: Sequence[str]) -> None:
    """SystemExit where a name is no algorithm."""
    if not names:
        return
    from offctx.training.names import algorithms  # imports d3rlpy

    for name in names:
        if name not in algorithms():
            raise SystemExit(f"--algorithms: expected one or several of {', '.join(algorithms())}; found {name!r}")


def read_sweeps(texts: Sequence[str]) -> dict[str, Sequence[float] | None]:
    """Sweeps as the command line gives them: "name", or "name=value,value,..."."""
    sweeps: dict[str, Sequence[float] | None] = {}
    for text in texts:
        name, _, values = text.partition("=")
        try:
            sweeps[name] = [float(value) for value in values.split(",")] if values else None
        except ValueError:
            raise SystemExit(f"expected --sweep NAME or NAME=NUMBER,NUMBER,...; found {text!r}") from None
    return sweeps
