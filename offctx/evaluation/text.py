"""Tables of plain text, for terminals."""

from collections.abc import Sequence


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
