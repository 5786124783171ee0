"""Distances between contexts, and from contexts to the nearest of others.

Dimensions: K contexts, n reference contexts, p context.
"""

from collections.abc import Callable

import numpy as np

from offctx.contexts.space import Contexts, ContextSpace
from offctx.envs.base import Array


def metric_lengths(differences: Array, metric: Array, space: ContextSpace) -> Array:
    """sqrt(dc' G dc): the lengths (...,) of differences of contexts dc (..., p) in metric tensors G (p, p) or (..., p, p).

    A difference in a discrete coordinate, along which there is no derivative, is infinitely long.
    """
    squares = np.einsum("...p,...pq,...q->...", differences, metric, differences)
    differ_discretely = (differences[..., ~space.continuous] != 0).any(axis=-1)
    return np.where(differ_discretely, np.inf, np.sqrt(np.maximum(squares, 0)))  # rounding may make a square negative


def distances_to_nearest(contexts: Contexts, references: Contexts, lengths: Callable[[Array], Array]) -> Array:
    """Returns the distance from each context to the nearest reference, such as a training context.

    Args:
        contexts: (K, p).
        references: (n, p).
        lengths: from differences (K, n, p) to their lengths (K, n).

    Returns:
        (K,).
    """
    return np.asarray(lengths(contexts[:, np.newaxis] - references).min(axis=1))
