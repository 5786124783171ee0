"""The verb `combine`."""

from typing import Annotated

import typer

from offctx.cli.completion import dataset_ids
from offctx.cli.options import Json, Quiet
from offctx.cli.output import long_work, print_result
from offctx.words import count


def combine(
    datasets: Annotated[list[str], typer.Argument(help="Dataset ids, in order.", autocompletion=dataset_ids)],
    new_id: Annotated[str, typer.Option(help="Id of the new dataset, which no dataset has.")],
    description: Annotated[str | None, typer.Option(help="A sentence for the metadata.")] = None,
    compress: Annotated[bool, typer.Option("--compress", help="Make the files smaller and slower to read (gzip).")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Combine datasets of one family into a new one: their episodes one dataset after another.

    Contexts, seeds, states and derivatives stay, and the metadata name each dataset with its checksum, behaviour and recipe
    (`minari combine` drops them). Datasets that differ in environment, context space, spaces or derivatives are refused.
    The new dataset appears when it is complete.

    Example: offctx combine offctx/PendulumGoal/random-v0 offctx/PendulumGoal/expert-v0
                 --new-id offctx/PendulumGoal/both-v0
    """
    from offctx.data.composition.combine import write_combined

    with long_work(as_json):
        metadata = write_combined(
            datasets, new_id, description=description, compression="gzip" if compress else None, progress=not quiet
        )
    parts = metadata.recipe["combined"]
    episodes = sum(part["episodes"] for part in parts)
    if as_json:
        print_result({"dataset_id": new_id, "episodes": episodes, "sha256": metadata.sha256, "combined": parts})
    else:
        print_result(f"{new_id}: {count(episodes, 'episode')} of {count(len(parts), 'dataset')}\nsha256 {metadata.sha256}")
