"""What `offctx list` prints: a table of one kind, or one page of all kinds."""

import textwrap
from pathlib import Path

from offctx.cli.catalogue import Row

_WIDTH = 110
_MOST_DATASETS = 12  # on the page of all kinds


def table(kind: str, rows: list[Row]) -> str:
    """Returns a heading with the number of rows, then a table of them."""
    from offctx.evaluation.text import text_table

    if not rows:
        return f"{kind}: none"
    cells = [["?" if value is None else str(value) for value in row.values()] for row in rows]
    lines = text_table([key.replace("_", " ") for key in rows[0]], cells)
    return "\n".join([f"{kind}: {len(rows)}", *(f"  {line}" for line in lines)])


def overview(rows: dict[str, list[Row]], root: Path) -> str:
    """Returns one page of all kinds, with the command that says more about each.

    Args:
        rows: as `offctx.cli.catalogue` gives them, by kind.
        root: the folder of the datasets.
    """
    sections = [
        ["datasets", f"in {root}; offctx show NAME describes one", _datasets(rows["datasets"])],
        ["recipes", "offctx collect NAME builds one, offctx show NAME says what it would hold", _recipes(rows["recipes"])],
        ["environments", "id and context; actions and steps: offctx list environments", _environments(rows["environments"])],
        ["algorithms", "for offctx train; their actions: offctx list algorithms", _algorithms(rows["algorithms"])],
    ]
    pages = [
        "\n".join([f"{kind}: {len(rows[str(kind)]) or 'none'}  ({hint})", *(f"  {line}" for line in lines)])
        for kind, hint, lines in sections
    ]
    return "\n\n".join(pages)


def _datasets(rows: list[Row]) -> list[str]:
    """The first datasets with their size."""
    from offctx.evaluation.text import text_table

    if not rows:
        return []
    cells = [["?" if value is None else str(value) for value in row.values()] for row in rows[:_MOST_DATASETS]]
    lines = text_table([key.replace("_", " ") for key in rows[0]], cells)
    more = len(rows) - _MOST_DATASETS
    return [*lines, f"... and {more} more: offctx list datasets"] if more > 0 else lines


def _recipes(rows: list[Row]) -> list[str]:
    return sorted({str(row["dataset_id"]) for row in rows})


def _environments(rows: list[Row]) -> list[str]:
    width = max((len(row["env"]) for row in rows), default=0)
    return [f"{row['env']:<{width}}  {row['context']}" for row in rows]


def _algorithms(rows: list[Row]) -> list[str]:
    """The names, by package."""
    packages = sorted({str(row["package"]) for row in rows}, reverse=True)
    names = {package: [row["algorithm"] for row in rows if row["package"] == package] for package in packages}
    return [line for package in packages for line in _wrapped(f"{package}: {', '.join(names[package])}", " " * 8)]


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False)
