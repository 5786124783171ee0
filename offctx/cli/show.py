"""The verb `show`."""

from enum import Enum
from typing import Annotated, Any

import typer

from offctx.cli.completion import dataset_and_recipe_names
from offctx.cli.options import Json
from offctx.cli.output import print_result
from offctx.errors import DatasetError

_MEMORY = "256MB"  # of the arrays and as much again


class Form(str, Enum):
    """What `show` prints."""

    TEXT = "text"
    HUB = "hub"
    CROISSANT = "croissant"


def show(
    name: Annotated[
        str,
        typer.Argument(
            help="A dataset id, the name of a known recipe, or a TOML recipe.", autocompletion=dataset_and_recipe_names
        ),
    ],
    as_json: Json = False,
    form: Annotated[
        Form, typer.Option("--format", help="text; hub: a README for the Hugging Face hub; croissant: JSON-LD metadata.")
    ] = Form.TEXT,
) -> None:
    """Show the card of a dataset: spaces, context names, contexts with return quantiles, behaviour, derivatives, checksum.

    Of plain Minari data: what is known, also where they carry no contexts or offctx cannot read them; they have no checksum.
    Of a recipe whose dataset is not built yet: what it would hold, its size and its checksum. A card for a hub is printed with
    --format; `offctx list` has the names.

    Examples: offctx show offctx/PendulumGoal/random-v0
              offctx show offctx/PendulumGoal/random-v0 --format hub > README.md
    """
    if _is_to_be_built(name):
        if form is not Form.TEXT:
            raise DatasetError(f"--format {form.value} needs the dataset: build it first with `offctx collect {name}`")
        from offctx.data.known.expected import expected_dataset, render_expected

        expected = expected_dataset(name)
        print_result(expected if as_json else render_expected(expected))
        return
    try:
        dataset = _loaded(name)
    except DatasetError as error:
        if form is not Form.TEXT:
            raise
        from offctx.data.plain_card import plain_card, render_plain

        plain = plain_card(name, _loaded, error)
        print_result(plain if as_json else render_plain(plain))
        return
    if form is not Form.TEXT:
        print_result(_card_for_hubs(dataset, form))
        return
    from offctx.analysis.context_sensitivity import sensitivity_summary
    from offctx.data.card import card, render

    contents = card(dataset, sensitivity_summary(dataset))
    print_result(contents if as_json else render(contents))


def _loaded(name: str, **contexts: Any) -> Any:
    """The dataset; where it is large, with arrays that are mapped from its flat copy."""
    from offctx.data.load import load_dataset

    try:
        return load_dataset(name, memory_budget=_MEMORY, **contexts)
    except DatasetError:  # it cannot be mapped; or it is damaged, and is refused once more
        return load_dataset(name, **contexts)


def _card_for_hubs(dataset: Any, form: Form) -> Any:
    from offctx.data.sharing.cards import about_and_files, croissant, hub_card

    about, files = about_and_files(dataset.dataset_id)
    return hub_card(dataset, about, files) if form is Form.HUB else croissant(dataset, files, about)


def _is_to_be_built(name: str) -> bool:
    """Whether this names a recipe, and no dataset that is there."""
    from offctx.data.known.names import find_recipe
    from offctx.data.storage.ids import dataset_folder

    return name.endswith(".toml") or (not dataset_folder(name).exists() and find_recipe(name) is not None)
