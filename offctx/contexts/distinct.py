"""Rows that stand several times in an array, such as the contexts of episodes, counted once.

Dimensions: N rows, C distinct ones.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def distinct_rows(rows: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Returns the distinct rows of an array, and the number of each row among them.

    Args:
        rows: (N, ...).

    Returns:
        The distinct rows (C, ...), in the order in which they first appear; and, for each row, its index among them (N,).
    """
    _, first, inverse = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return rows[first[order]], np.argsort(order)[inverse.ravel()]
