"""The verb `list`."""

from typing import Annotated

import typer

from offctx.cli.catalogue import KINDS
from offctx.cli.completion import kinds
from offctx.cli.list_pages import overview, table
from offctx.cli.options import Json
from offctx.cli.output import long_work, print_result
from offctx.errors import PolicyError


def list_(
    kind: Annotated[
        str | None,
        typer.Argument(
            help="datasets, recipes, environments or algorithms; all where not given.",
            autocompletion=kinds,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """List what there is by name: datasets, recipes, environments, algorithms.

    Without a kind, all four on one page; with one, a table with more about each. Datasets are those below
    MINARI_DATASETS_PATH (~/.minari/datasets where it is not set). Recipes are those that come with offctx, and the TOML files
    in the folder datasets of the current one.

    Examples: offctx list
              offctx list environments
    """
    if kind is not None and kind not in KINDS:
        raise PolicyError(f"there is no list of {kind!r}; there are {', '.join(KINDS)}")
    with long_work(as_json):
        rows = {name: KINDS[name]() for name in ([kind] if kind else KINDS)}
    if as_json:
        print_result(rows)
    elif kind is not None:
        print_result(table(kind, rows[kind]))
    else:
        from offctx.data.storage.ids import datasets_root

        print_result(overview(rows, datasets_root()))
