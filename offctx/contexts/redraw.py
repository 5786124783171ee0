"""Random rows that must be valid: the invalid ones are drawn again, up to a limit.

Dimensions: N rows, M of them still missing, p coordinates.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Propose = Callable[[NDArray[np.intp], int], tuple[NDArray[np.float64], NDArray[np.bool_]]]


def redraw_until_valid(propose: Propose, n: int, attempts: int) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Draws N rows, then draws the invalid rows again until all rows are valid or the attempts are used up.

    Args:
        propose: called with the indices (M,) of the missing rows and the number of the attempt (0, 1, ...). It returns one
            row for each index, (M, p), and which of these rows are valid, (M,).
        n: how many rows, N.
        attempts: how often `propose` is called at most, at least 1.

    Returns:
        The rows (N, p), and the indices of the rows that are still invalid; those rows are their last proposals.
    """
    missing = np.arange(n)
    rows, valid = propose(missing, 0)
    missing = missing[~valid]
    for attempt in range(1, attempts):
        if len(missing) == 0:
            break
        rows[missing], valid = propose(missing, attempt)
        missing = missing[~valid]
    return rows, missing
