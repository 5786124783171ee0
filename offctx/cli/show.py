"""The verb `show`."""

from offctx.cli.options import DatasetId, Json
from offctx.cli.output import print_result


def show(dataset_id: DatasetId, as_json: Json = False) -> None:
    """Show the card of a dataset: spaces, context names, contexts with return quantiles, behaviour, derivatives, checksum.

    Example: offctx show offctx/PendulumGoal/random-v0
    """
    from offctx.analysis.context_sensitivity import sensitivity_summary
    from offctx.data.card import card, render
    from offctx.data.load import load_dataset

    dataset = load_dataset(dataset_id)
    contents = card(dataset, sensitivity_summary(dataset))
    print_result(contents if as_json else render(contents))
