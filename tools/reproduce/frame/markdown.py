"""Markdown as lists of lines; each block ends with an empty line."""

import textwrap
from collections.abc import Iterable, Sequence

from offctx.evaluation.markdown import markdown_table


def paragraph(text: str) -> list[str]:
    """Text wrapped at 120 characters."""
    return [textwrap.fill(text, 120, break_on_hyphens=False, break_long_words=False), ""]


def table(head: Sequence[str], rows: Iterable[Sequence[str]], compact: bool = True) -> list[str]:
    """A table; `compact` says how its rule is written (see `markdown_table`)."""
    return [*markdown_table(head, rows, compact=compact), ""]
