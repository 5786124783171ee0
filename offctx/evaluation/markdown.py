"""Markdown: the one table writer of all reports, and text that Markdown shows as it is."""

import html
import re
from collections.abc import Collection, Iterable, Sequence

from offctx.errors import EvaluationError
from offctx.words import printable


def markdown_table(
    head: Sequence[str], rows: Iterable[Sequence[str]], *, right: Collection[int] = (), compact: bool = False
) -> list[str]:
    """Returns the lines of a Markdown table.

    Pipes in cells are escaped, unless they are escaped already. Line breaks in cells become spaces. Other markup is kept: use
    `escape_markdown` on text from outside.

    Args:
        head: names of the columns.
        rows: the cells of each row, as many as there are columns.
        right: indices of the columns to align to the right.
        compact: write the rule below the head without spaces.

    Returns:
        One line a row, without line ends: head, rule, rows.

    Raises:
        EvaluationError: a row has more or fewer cells than the head.

    Example::

        markdown_table(["policy", "return"], [["CQL", "12.3"]], right=[1])
        # ['| policy | return |', '| --- | ---: |', '| CQL | 12.3 |']
    """
    rules = ["---:" if column in right else "---" for column in range(len(head))]
    lines = [_line(head), f"|{'|'.join(rules)}|" if compact else _line(rules)]
    for row in rows:
        if len(row) != len(head):
            raise EvaluationError(f"expected {len(head)} cells in each row of the table, as in {list(head)}; found {list(row)}")
        lines.append(_line(row))
    return lines


def escape_markdown(text: str) -> str:
    """Returns text that Markdown shows as it is: on one line, without markup, HTML or cell borders."""
    line = re.sub(r"([\\`*_|])", r"\\\1", printable(" ".join(text.split())))
    return html.escape(line, quote=False).replace("](", "]\\(")


def _line(cells: Iterable[str]) -> str:
    escaped = (re.sub(r"(?<!\\)\|", r"\\|", re.sub(r"\s*\n\s*", " ", cell)) for cell in cells)
    return f"| {' | '.join(escaped)} |"
