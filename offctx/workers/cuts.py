"""Cutting work into chunks of nearly equal size, in order."""

import itertools


def nearly_equal(count: int, size: int, most: int) -> list[tuple[int, int]]:
    """Ranges [begin, end) of pieces of work.

    The cut depends on these numbers alone, never on who does the work.

    Args:
        count: how many pieces there are, at least 1.
        size: of a piece.
        most: a range has about this size, or one piece where that is larger.

    Example::

        nearly_equal(10, 100, 500)  # [(0, 5), (5, 10)]
    """
    number = min(max((2 * count * size + most) // (2 * most), 1), count)
    return list(itertools.pairwise(count * k // number for k in range(number + 1)))
