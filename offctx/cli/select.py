"""The verb `select`."""

from typing import Annotated, Any

import typer

from offctx.cli.options import DatasetId, Json, Quiet
from offctx.cli.output import long_work, print_result
from offctx.errors import DatasetError
from offctx.words import count


def select(
    dataset_id: DatasetId,
    new_id: Annotated[str, typer.Option(help="Id of the new dataset, which no dataset has.")],
    contexts: Annotated[str | None, typer.Option(help="Only these contexts, by their numbers, such as 0,3 or 0:10.")] = None,
    where: Annotated[
        list[str] | None, typer.Option(help='Only contexts that satisfy this, such as "g > 2" or g=1,2; repeatable.')
    ] = None,
    split: Annotated[list[str] | None, typer.Option(help="Only contexts of this split, such as train; repeatable.")] = None,
    episodes: Annotated[str | None, typer.Option(help="Only these episodes, by their numbers, such as 0,7 or 0:100.")] = None,
    episodes_per_context: Annotated[int | None, typer.Option(help="At most so many episodes of each context.")] = None,
    compress: Annotated[bool, typer.Option("--compress", help="Make the files smaller and slower to read (gzip).")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Select episodes of a dataset, by contexts or numbers, and save them as a dataset of their own.

    Episodes must satisfy all that is given. Only what is selected is read. Seeds, states, derivatives and authors stay, and
    the metadata name the dataset, its checksum and the episodes. `offctx show` lists contexts by number.

    Examples: offctx select offctx/PendulumGoal/random-v0
                  --where "g > 2" --new-id offctx/PendulumGoal/heavy-v0
              offctx select offctx/PendulumGoal/random-v0
                  --contexts 0,3 --episodes-per-context 10
                  --new-id offctx/PendulumGoal/small-v0
    """
    from offctx.data.load import load_dataset

    if contexts is None and not where and not split and episodes is None and episodes_per_context is None:
        raise DatasetError("expected --contexts, --where, --split, --episodes or --episodes-per-context; found none of them")
    with long_work(as_json):
        part = load_dataset(
            dataset_id,
            contexts=None if contexts is None else _numbers(contexts, "--contexts"),
            split=split or None,
            episodes=None if episodes is None else _numbers(episodes, "--episodes"),
            episodes_per_context=None if where else episodes_per_context,
        )
        for k, text in enumerate(where or []):
            last = k + 1 == len(where or [])
            part = part.select(contexts=_condition(text), episodes_per_context=episodes_per_context if last else None)
        saved = part.save(new_id, compression="gzip" if compress else None, progress=not quiet)
    assert saved.metadata
    of = f"{count(len(saved), 'transition')} in {count(saved.num_episodes, 'episode')}, {len(saved.unique_contexts)} contexts"
    result = {
        "dataset_id": new_id,
        "part_of": dataset_id,
        "episodes": saved.num_episodes,
        "transitions": len(saved),
        "contexts": len(saved.unique_contexts),
        "sha256": saved.metadata.sha256,
    }
    print_result(result if as_json else f"{new_id}: {of}\nsha256 {saved.metadata.sha256}")


def _numbers(text: str, option: str) -> Any:
    """Whole numbers "0,3", or a slice "0:10"."""
    try:
        if ":" in text:
            return slice(*(int(part) if part else None for part in text.split(":")))
        return [int(part) for part in text.split(",")]
    except (TypeError, ValueError) as error:
        raise DatasetError(f"{option} takes numbers such as 0,3 or a range such as 0:10; found {text!r}") from error


def _condition(text: str) -> Any:
    """An inequality as it is, or a mapping for "name=1,2"."""
    name, equals, values = text.partition("=")
    if not equals or name[-1:] in "<>" or values[:1] == "=":
        return text
    try:
        return {name.strip(): [float(part) for part in values.split(",")]}
    except ValueError as error:
        raise DatasetError(f'--where takes an inequality such as "g > 2", or values such as g=1,2; found {text!r}') from error
