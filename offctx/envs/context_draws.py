"""Random contexts for trying out an environment, also where bounds are infinite, and contexts that differ in one coordinate.

Dimensions: n contexts, N rows, p context.
"""

import numpy as np

from offctx.contexts.space import Contexts, ContextSpace


def draw_contexts(space: ContextSpace, rng: np.random.Generator, n: int) -> Contexts:
    """n valid contexts (n, p), a little inside the bounds, or near the default where bounds are infinite.

    Discrete coordinates take every one of their values within their bounds, each with the same probability.

    Where too few such draws are valid, the default context and those of the splits fill up.
    """
    finite = np.isfinite(space.high - space.low)
    width, reach = np.where(finite, space.high - space.low, 0), space.half_widths() / 10
    low = np.where(finite, space.low + width / 20, space.default - reach)
    high = np.where(finite, space.high - width / 20, space.default + reach)
    whole = ~space.continuous
    first, last = whole_bounds(space)
    low[whole], high[whole] = first[whole], last[whole] + 1
    rows = rng.uniform(low, high, size=(100 * n, space.size))
    rows[:, whole] = np.floor(rows[:, whole])
    for name, values in space.listed.items():
        rows[:, space.index(name)] = rng.choice(values, 100 * n)
    rows = rows[space.valid(rows)]
    valid = np.concatenate([space.default[None], *space.splits.values()])
    return np.concatenate([rows, np.tile(valid, (n, 1))])[:n]


def whole_bounds(space: ContextSpace) -> tuple[Contexts, Contexts]:
    """The first and last whole numbers (p,) and (p,) to try of each coordinate; near the default where bounds are infinite."""
    finite, reach = np.isfinite(space.high - space.low), np.ceil(space.half_widths() / 10)
    first = np.where(finite, space.low, np.maximum(space.low, space.default - reach))
    last = np.where(finite, space.high, np.minimum(space.high, space.default + reach))
    return np.ceil(first), np.floor(last)


def widths(space: ContextSpace) -> Contexts:
    """The width of the bounds of each coordinate (p,); the half-width of the space where the bounds are not finite."""
    return np.where(np.isfinite(space.high - space.low), 2, 1) * space.half_widths()


def with_other_values(space: ContextSpace, contexts: Contexts, others: Contexts, k: int) -> Contexts:
    """Contexts (N, p) with another value of coordinate k, within the bounds where that is possible.

    Args:
        space: of the contexts.
        contexts: (N, p).
        others: contexts (at least N, p) whose values of the coordinate are taken.
        k: the coordinate.
    """
    moved = contexts.copy()
    moved[:, k] = others[: len(contexts), k]
    usable = space.valid(moved) & (moved[:, k] != contexts[:, k])
    fallback = contexts if usable.any() else contexts + np.eye(space.size)[k] * widths(space)[k] / 1000
    return np.where(usable[:, None], moved, fallback)
