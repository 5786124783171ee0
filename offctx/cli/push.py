"""The verb `push`."""

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from offctx.cli.options import DatasetId, Json, Quiet
from offctx.cli.output import long_work, print_result
from offctx.words import count


def push(
    dataset_id: DatasetId,
    remote: Annotated[
        str, typer.Argument(help="A folder, s3://bucket/folder, gs://bucket/folder or hf://datasets/organisation/name.")
    ],
    cards: Annotated[bool, typer.Option(help="Put README.md and croissant.json beside the dataset.")] = True,
    force: Annotated[bool, typer.Option("--force", help="Send files again that the remote has already.")] = False,
    pin: Annotated[bool, typer.Option("--pin", help="Write the id and its content hash to the lock file.")] = False,
    lock_file: Annotated[Path, typer.Option(help="The lock file.")] = Path("offctx.lock"),
    timeout: Annotated[float, typer.Option(help="Seconds to wait for an answer.")] = 30.0,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Push a dataset to a remote, where others can pull it: the Minari folder, and a manifest with the hash of every block.

    Readers of the remote see the version before, or all of the new one. After an interruption, the same command goes on.

    Examples: offctx push offctx/PendulumGoal/random-v0 /media/stick/datasets
              offctx push offctx/PendulumGoal/random-v0 s3://bucket/datasets
              offctx push offctx/PendulumGoal/random-v0
                  hf://datasets/your-name/pendulum-goal
    """
    from offctx.data.sharing.lock_file import pin as write_pin
    from offctx.data.sharing.push import push as push_dataset

    with long_work(as_json):
        pushed = push_dataset(dataset_id, remote, cards=cards, force=force, timeout=timeout, progress=not quiet)
        if pin:
            write_pin(dataset_id, pushed.sha256, [remote], lock_file)
    text = (
        f"{dataset_id} is at {pushed.remote}: {count(pushed.files, 'file')}, {pushed.size / 1e6:.1f} MB, of which "
        f"{pushed.sent / 1e6:.1f} MB were sent\ncontent hash {pushed.sha256}"
    )
    print_result(dataclasses.asdict(pushed) if as_json else text)
