"""The verb `pull`."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from offctx.cli.options import Json, Quiet
from offctx.cli.output import long_work, print_result
from offctx.errors import DatasetError
from offctx.words import count

if TYPE_CHECKING:
    from offctx.data.sharing.pull import Pulled


def pull(
    remote: Annotated[
        str | None,
        typer.Argument(
            help="A folder, https://..., s3://bucket/folder, gs://bucket/folder or hf://datasets/organisation/name."
        ),
    ] = None,
    dataset_id: Annotated[str | None, typer.Argument(help="A Minari dataset id; not needed where the remote has one.")] = None,
    mirror: Annotated[list[str] | None, typer.Option(help="Another remote, tried when the first fails; repeatable.")] = None,
    sha256: Annotated[str | None, typer.Option(help="The content hash that the dataset must have.")] = None,
    contexts: Annotated[str | None, typer.Option(help="Only these contexts, by their numbers, such as 0,3.")] = None,
    new_id: Annotated[str | None, typer.Option(help="Id of the part, with --contexts.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a dataset of this id and other content.")] = False,
    lock: Annotated[bool, typer.Option("--lock", help="Pull what the lock file pins: everything, or ID alone.")] = False,
    pin: Annotated[bool, typer.Option("--pin", help="Write id, content hash and remotes to the lock file.")] = False,
    lock_file: Annotated[Path, typer.Option(help="The lock file.")] = Path("offctx.lock"),
    timeout: Annotated[float, typer.Option(help="Seconds to wait for a connection, for its answer, and for bytes.")] = 30.0,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Pull a dataset that was pushed: every block is verified, and it appears under its id when it is complete.

    After an interruption, the same command goes on, and fetches no block twice. With --lock, remotes and content hashes come
    from the lock file, which --pin writes; a dataset that differs is refused.

    Examples: offctx pull https://example.org/datasets offctx/PendulumGoal/random-v0
              offctx pull hf://datasets/your-name/pendulum-goal --pin
              offctx pull --lock
              offctx pull s3://bucket/datasets offctx/PendulumGoal/random-v0
                  --contexts 0,3 --new-id offctx/PendulumGoal/part-v0
    """
    from offctx.data.sharing.lock_file import pin as write_pin
    from offctx.data.sharing.lock_file import read_lock
    from offctx.data.sharing.pull import pull as pull_dataset

    options: dict[str, Any] = {"overwrite": overwrite, "timeout": timeout, "progress": not quiet}
    with long_work(as_json):
        if lock:
            _refuse_with_lock(sha256, contexts, new_id, pin)
            pins = read_lock(lock_file)
            chosen = list(pins) if dataset_id is None else [dataset_id]
            _refuse_unpinned(chosen, pins, lock_file)
            addresses = [address for address in (remote, *(mirror or [])) if address]
            results = [
                pull_dataset(addresses or pins[name].remotes, name, sha256=pins[name].sha256, **options) for name in chosen
            ]
        else:
            if remote is None:
                raise DatasetError("expected REMOTE, the place to pull from, or --lock; found neither: offctx pull --help")
            if pin and contexts is not None:
                raise DatasetError("--pin pins whole datasets: leave out --contexts")
            remotes = [remote, *(mirror or [])]
            some = None if contexts is None else _numbers(contexts)
            results = [pull_dataset(remotes, dataset_id, sha256=sha256, contexts=some, new_id=new_id, **options)]
            if pin:
                write_pin(results[0].dataset_id, results[0].sha256, remotes, lock_file)
    rows = [dataclasses.asdict(result) for result in results]
    if as_json:
        print_result(rows if lock else rows[0])
    else:
        print_result("\n".join(_line(result, part=contexts is not None) for result in results))


def _line(result: "Pulled", *, part: bool) -> str:
    if part:
        received = f"{result.received / 1e6:.1f} of {result.size / 1e6:.1f} MB"
        return (
            f"{result.dataset_id} is here: {received} from {result.remote}\n"
            f"content hash {result.sha256} of the dataset of which it is a part"
        )
    if not result.blocks:
        return f"{result.dataset_id} was here already\ncontent hash {result.sha256}"
    received = f"{count(result.blocks, 'block')}, {result.received / 1e6:.1f} MB"
    return f"{result.dataset_id} is here: {received} from {result.remote}\ncontent hash {result.sha256}"


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise DatasetError(f"--contexts takes numbers of contexts, such as 0,3; found {text!r}") from error


def _refuse_with_lock(sha256: str | None, contexts: str | None, new_id: str | None, pin: bool) -> None:
    if sha256 or contexts or new_id or pin:
        raise DatasetError("--lock pulls what the lock file pins: leave out --sha256, --contexts, --new-id and --pin")


def _refuse_unpinned(chosen: list[str], pins: dict[str, Any], lock_file: Path) -> None:
    for name in chosen:
        if name not in pins:
            raise DatasetError(f"{lock_file} does not pin {name!r}; it pins {', '.join(pins) or 'nothing'}")
