"""Markdown as lists of lines."""

import textwrap
from collections.abc import Iterable, Sequence


def paragraph(text: str) -> list[str]:
    """Text wrapped at 120 characters, and an empty line."""
    return [textwrap.fill(text, 120, break_on_hyphens=False, break_long_words=False), ""]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table, and an empty line."""
    lines = [f"| {' | '.join(row)} |" for row in [head, *rows]]
    return [lines[0], "|---" * len(head) + "|", *lines[1:], ""]
