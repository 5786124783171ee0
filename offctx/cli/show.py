"""The verb `show`."""

from typing import Annotated

import typer

from offctx.cli.completion import dataset_and_recipe_names
from offctx.cli.options import Json
from offctx.cli.output import print_result


def show(
    name: Annotated[
        str,
        typer.Argument(
            help="A dataset id, the name of a known recipe, or a TOML recipe.", autocompletion=dataset_and_recipe_names
        ),
    ],
    as_json: Json = False,
) -> None:
    """Show the card of a dataset: spaces, context names, contexts with return quantiles, behaviour, derivatives, checksum.

    Of a recipe whose dataset is not built yet: what it would hold, its size and its checksum.

    Example: offctx show offctx/PendulumGoal/random-v0
    """
    if _is_to_be_built(name):
        from offctx.data.known.expected import expected_dataset, render_expected

        expected = expected_dataset(name)
        print_result(expected if as_json else render_expected(expected))
        return
    from offctx.analysis.context_sensitivity import sensitivity_summary
    from offctx.data.card import card, render
    from offctx.data.load import load_dataset

    dataset = load_dataset(name)
    contents = card(dataset, sensitivity_summary(dataset))
    print_result(contents if as_json else render(contents))


def _is_to_be_built(name: str) -> bool:
    """Whether this names a recipe, and no dataset that is there."""
    from offctx.data.known.names import find_recipe
    from offctx.data.storage.ids import dataset_folder

    return name.endswith(".toml") or (not dataset_folder(name).exists() and find_recipe(name) is not None)
