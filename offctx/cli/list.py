"""The verb `list`."""

from typing import Annotated

import typer

from offctx.cli.catalogue import KINDS, Row
from offctx.cli.completion import kinds
from offctx.cli.options import Json
from offctx.cli.output import long_work, print_result
from offctx.errors import PolicyError


def list_(
    kind: Annotated[
        str | None,
        typer.Argument(
            help="datasets, recipes, environments or algorithms. Default: all.",
            autocompletion=kinds,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """List what there is by name: datasets, recipes, environments, algorithms.

    Datasets are those below MINARI_DATASETS_PATH, recipes those that come with offctx and those in the folder datasets.

    Example: offctx list environments
    """
    if kind is not None and kind not in KINDS:
        raise PolicyError(f"there is no list of {kind!r}; there are {', '.join(KINDS)}")
    with long_work(as_json):
        found = {name: KINDS[name]() for name in ([kind] if kind else KINDS)}
    print_result(found if as_json else "\n\n".join(_text(name, rows) for name, rows in found.items()))


def _text(name: str, rows: list[Row]) -> str:
    """A heading with the number of rows, then a table of them."""
    from offctx.evaluation.text import text_table

    if not rows:
        return f"{name}: none"
    cells = [["?" if value is None else str(value) for value in row.values()] for row in rows]
    lines = text_table([key.replace("_", " ") for key in rows[0]], cells)
    return "\n".join([f"{name}: {len(rows)}", *(f"  {line}" for line in lines)])
