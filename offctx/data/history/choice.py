"""Which candidates a window holds: the last ones, a run, or a random set; all of them, or a part.

Dimensions: G windows, K slots.
"""

import numpy as np

from offctx.data.history.settings import History
from offctx.envs.base import Array

_DENSE = 2  # at most so many candidates a slot: sets are drawn by sorting a random number for each candidate


def choose(history: History, sizes: Array, ends: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """The candidates in each slot.

    Args:
        history: the settings.
        sizes: how many candidates each window has (G,).
        ends: how many of them stand before its row (G,).
        rng: of random lengths, places, sets and orders.

    Returns:
        Numbers of candidates (G, K), ascending unless shuffled, and which slots are filled (G, K): the last ones. The number
        in a slot that is not filled means nothing.
    """
    counts: Array = np.full(len(sizes), history.length)
    if history.shortest is not None:
        counts = rng.integers(history.shortest, history.length + 1, len(sizes))
    counts = np.minimum(counts, ends if history.draw == "last" else sizes)
    kept = np.minimum(counts, history.slots)
    mask = np.arange(history.slots) >= history.slots - kept[:, None]
    if history.draw == "random":
        numbers = random_sets(sizes, counts, history.slots, rng)
    else:
        stops = ends if history.draw == "last" else counts + rng.integers(0, sizes - counts + 1)
        numbers = (stops - counts)[:, None] + _kept_offsets(history, counts, kept, rng)
    return (_shuffled(numbers, mask, rng) if history.shuffle else numbers), mask


def _kept_offsets(history: History, counts: Array, kept: Array, rng: np.random.Generator) -> Array:
    """Which transitions of a run of `counts` (G,) are kept: their numbers in it (G, K), in the last `kept` (G,) slots."""
    slots = history.slots
    if history.keep is None:
        return np.asarray(np.arange(slots) - (slots - counts[:, None]))
    if history.spacing == "random":
        return random_sets(counts, kept, slots, rng)
    number: Array = np.arange(slots) - (slots - kept[:, None]) + 1  # from 1 in the first slot that is filled
    return np.asarray(number * counts[:, None] // np.maximum(kept, 1)[:, None] - 1)


def random_sets(sizes: Array, counts: Array, slots: int, rng: np.random.Generator) -> Array:
    """For each window, `counts` different numbers below `sizes`, ascending; each set has the same probability.

    Args:
        sizes: (G,).
        counts: (G,), at most `sizes` and at most `slots`.
        slots: K.
        rng: of the draws.

    Returns:
        (G, K); the first K - counts numbers of a window mean nothing.
    """
    numbers = np.zeros((len(sizes), slots), dtype=np.int64)
    dense = sizes <= _DENSE * slots
    if dense.any():
        numbers[dense] = _sets_by_sorting(sizes[dense], counts[dense], slots, rng)
    if not dense.all():
        numbers[~dense] = _sets_by_redrawing(sizes[~dense], counts[~dense], slots, rng)
    return numbers


def _sets_by_sorting(sizes: Array, counts: Array, slots: int, rng: np.random.Generator) -> Array:
    """Those candidates whose random numbers are the smallest."""
    keys = rng.random((len(sizes), max(int(sizes.max()), 1)))
    keys[np.arange(keys.shape[1]) >= sizes[:, None]] = np.inf
    largest = np.take_along_axis(np.sort(keys, axis=1), np.maximum(counts - 1, 0)[:, None], axis=1)
    windows, chosen = np.nonzero((keys <= largest) & (counts > 0)[:, None])
    numbers = np.zeros((len(sizes), slots), dtype=np.int64)
    within = np.arange(len(windows)) - np.repeat(np.cumsum(counts) - counts, counts)
    numbers[windows, within + slots - counts[windows]] = chosen
    return numbers


def _sets_by_redrawing(sizes: Array, counts: Array, slots: int, rng: np.random.Generator) -> Array:
    """Draws with replacement, of which repeated numbers are drawn again."""
    idle = np.arange(slots) < slots - counts[:, None]
    numbers = (rng.random((len(sizes), slots)) * sizes[:, None]).astype(np.int64)  # faster than integers below many bounds
    np.minimum(numbers, sizes[:, None] - 1, out=numbers)
    numbers[idle] = -1
    while True:
        numbers.sort(axis=1)
        repeated = np.zeros(numbers.shape, dtype=np.bool_)
        repeated[:, 1:] = (numbers[:, 1:] == numbers[:, :-1]) & (numbers[:, 1:] >= 0)
        if not repeated.any():
            return numbers
        numbers[repeated] = rng.integers(0, np.broadcast_to(sizes[:, None], numbers.shape)[repeated])


def _shuffled(numbers: Array, mask: Array, rng: np.random.Generator) -> Array:
    """The filled slots in random order."""
    return np.take_along_axis(numbers, np.argsort(np.where(mask, rng.random(mask.shape), -1.0), axis=1, kind="stable"), axis=1)
