"""Options that several verbs share, and how their texts are read."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from offctx.cli.completion import backends, dataset_ids
from offctx.errors import ContextError, EvaluationError, OffctxError, PolicyError

DatasetId = Annotated[str, typer.Argument(help="A Minari dataset id.", autocompletion=dataset_ids)]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output, and nothing else there.")]
NumberOfJobs = Annotated[
    int | None,
    typer.Option("--n-jobs", help="Chunks at a time, a process each; -1 for all cores. Default: 1; with ray, all cores."),
]
Backend = Annotated[
    str, typer.Option(help="loky: processes of this machine. ray: a Ray cluster, at RAY_ADDRESS.", autocompletion=backends)
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")]
Device = Annotated[str, typer.Option(help="cpu or cuda:0.")]


def read_device(text: str) -> Any:
    """The device as d3rlpy takes it, False for the CPU. Raises PolicyError where the machine does not have it."""
    import torch

    try:
        torch.empty(0, device=text)
    except (RuntimeError, AssertionError) as error:
        raise PolicyError(f"--device {text!r} is not available: {str(error).splitlines()[0]}") from error
    return False if text == "cpu" else text


def workers(n_jobs: int | None, backend: str) -> dict[str, Any]:
    """The arguments of `offctx.collect` and others that say who does the work."""
    everybody = -1 if backend == "ray" else 1
    return {"n_jobs": everybody if n_jobs is None else n_jobs, "backend": backend}


def check_writable(path: Path, *, folder: bool) -> None:
    """Refuse a place that cannot be written to before the long work begins whose result goes there."""
    if path.is_dir() != folder and path.exists():
        raise PolicyError(f"cannot write to {path}: it is a {'file' if folder else 'folder'}")
    if not path.parent.is_dir() and not folder:
        raise PolicyError(f"cannot write to {path}: folder {path.parent} does not exist")


def check_report_folder(folder: Path, *, overwrite: bool) -> None:
    """Refuse a place for a report that cannot be written to, or where another one is."""
    check_writable(folder, folder=True)
    if (folder / "report.json").exists() and not overwrite:
        raise EvaluationError(f"{folder} holds a report already: --overwrite replaces it, --out names another folder")


def read_warm_up(text: str, option: str) -> list[int]:
    """The numbers of unscored steps in an option such as 25,128."""
    from offctx.evaluation.adaptation import checked_warmup

    with errors_begin(f"{option} {text}"):
        numbers = [int(number) if number.is_integer() else number for number in read_numbers(text, option)]
        if not (steps := checked_warmup(numbers)):  # type: ignore[arg-type]  # just what this checks
            raise EvaluationError("a warm-up has one step at least")
    return list(steps[1:])


def read_numbers(text: str, option: str) -> list[float]:
    """The numbers in "0.5,1,2"."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise ContextError(f"{option} takes numbers separated by commas; found {text!r}") from error


@contextlib.contextmanager
def errors_begin(beginning: str) -> Iterator[None]:
    """Errors in the block begin with these words, such as an option and its value."""
    try:
        yield
    except OffctxError as error:
        raise type(error)(f"{beginning}: {error}") from error


def refuse_repeats(names: list[str], option: str) -> None:
    """Raise ContextError where a name stands twice."""
    for name in names:
        if names.count(name) > 1:
            raise ContextError(f"{option} names {name!r} twice")
