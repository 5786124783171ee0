"""Plain text: tables for terminals, and returns as numbers."""

from collections.abc import Sequence


def return_text(value: float) -> str:
    """Returns a return in four significant digits, and from 10000 on as a whole number: without exponent, as in intervals."""
    return f"{value:.0f}" if 1e4 <= round(abs(value)) < 1e9 else f"{value:.4g}"


def text_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, right: bool = False, rule: bool = False) -> list[str]:
    """Returns the lines of an aligned table.

    Args:
        head: names of the columns.
        rows: the cells of each row.
        right: align all columns to the right instead of to the left.
        rule: draw a line of dashes below the head.
    """
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    rules = [["-" * width for width in widths]] if rule else []
    align = str.rjust if right else str.ljust
    return ["  ".join(map(align, row, widths)).rstrip() for row in (head, *rules, *rows)]
