"""Whether codes differ between behaviours by more than chance: a permutation test over episodes.

If behaviours do not change z, any other assignment of the behaviours to the episodes is as likely as the one that is given.

Dimensions: R permutations, D contexts in which windows are played, E episodes, G behaviours, d code, v vector of an episode.
"""

import numpy as np

from offctx.envs.base import Array

PERMUTATIONS = 999
SIGNIFICANCE = 0.05
_BLOCK = 2**22  # numbers of one block of permutations


def behaviour_p_value(codes: Array, behaviours: Array, rng: np.random.Generator) -> float:
    """How likely V_beh is as large as it is, or larger, where behaviours do not change z.

    Args:
        codes: the mean code of each episode in each context (D, E, d).
        behaviours: of each episode, 0 to G - 1; at least two episodes of each (E,).
        rng: of the permutations.

    Returns:
        (1 + permutations of which V_beh is at least the given one) / (1 + R).
    """
    vectors = _vectors(codes)
    permuted = rng.permuted(np.tile(behaviours, (PERMUTATIONS, 1)), axis=1)
    observed, *permuted_variances = variance_between(vectors, np.concatenate([behaviours[None], permuted]))
    rounding = 1e-9 * np.square(vectors).sum()
    return float((1 + np.count_nonzero(np.array(permuted_variances) >= observed - rounding)) / (1 + PERMUTATIONS))


def variance_between(vectors: Array, labels: Array) -> Array:
    """V_beh (R,) for each assignment of behaviours to episodes.

    With x(e) the vector of episode e and m(g) the mean of those of behaviour g, of which there are n(g),

        V_beh = sum over g of |m(g) - mean of m|^2 / (G - 1) - mean over g of V_epi(g) / n(g)
        V_epi(g) = sum over the episodes e of g of |x(e) - m(g)|^2 / (n(g) - 1)

    Args:
        vectors: of the episodes (E, v).
        labels: behaviours 0 to G - 1 of the episodes (R, E); each row has the same numbers in another order.
    """
    counts = np.bincount(labels[0])
    starts = np.cumsum(counts) - counts
    order = np.argsort(labels, axis=1, kind="stable")  # (R, E): the episodes of behaviour 0, then those of 1, ...
    lengths = np.square(vectors).sum(axis=1)
    size, parts = max(1, _BLOCK // vectors.size), []
    for begin in range(0, len(labels), size):
        episodes = order[begin : begin + size]
        means = np.add.reduceat(vectors[episodes], starts, axis=1) / counts[:, None]  # (r, G, v)
        between = (np.add.reduceat(lengths[episodes], starts, axis=1) / counts - np.square(means).sum(axis=2)) / (counts - 1)
        parts.append(means.var(axis=1, ddof=1).sum(axis=1) - between.mean(axis=1))
    return np.concatenate(parts)


def _vectors(codes: Array) -> Array:
    """Codes (D, E, d) as one vector an episode, centred, at most E long: inner products are means over contexts."""
    vectors = np.moveaxis(codes - codes.mean(axis=1, keepdims=True), 1, 0).reshape(codes.shape[1], -1) / np.sqrt(len(codes))
    return vectors if vectors.shape[1] <= len(vectors) else np.linalg.qr(vectors.T)[1].T
