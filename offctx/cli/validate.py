"""The verb `validate`."""

import typer

from offctx.cli.options import DatasetId, Json
from offctx.cli.output import print_result
from offctx.errors import OffctxError
from offctx.words import count


def validate(dataset_id: DatasetId, as_json: Json = False) -> None:
    """Check a dataset: its layout, alignment, finiteness, contexts and checksum. Exit 1 with the first fault.

    Where its name is that of a known recipe, the data are compared with the recipe's card too, which decides nothing: data
    may be valid and others than the card's.

    Example: offctx validate offctx/PendulumGoal/random-v0
    """
    from offctx.data.known.comparison import compare_with_known
    from offctx.data.validation import validate_dataset

    try:
        dataset = validate_dataset(dataset_id)
    except OffctxError as error:
        fault = {"dataset_id": dataset_id, "valid": False, "fault": str(error)}
        print_result(fault if as_json else f"not valid: {error}")
        raise typer.Exit(1) from error
    kind = "with the offctx layout" if dataset.metadata else "plain Minari, no checksum to compare"
    text = f"valid ({kind}): {count(len(dataset), 'transition')} in {count(dataset.num_episodes, 'episode')}"
    comparison = compare_with_known(dataset)
    if as_json:
        compared = comparison.to_dict() if comparison else None
        print_result({"dataset_id": dataset_id, "valid": True, "transitions": len(dataset), "recipe_card": compared})
    else:
        print_result(f"{text}\n{comparison.render()}" if comparison else text)
