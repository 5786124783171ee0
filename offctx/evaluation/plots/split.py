"""The picture of one split: the return of each method over its contexts, with intervals.

The kind of picture follows from the number of context coordinates that vary within the split: none, bars; one, curves; two,
heat maps; three or more, returns against the distance from the nearest training context.

Dimensions: K contexts of the split, n training contexts, p context coordinates.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from offctx.evaluation.plots.bars import draw_bars
from offctx.evaluation.plots.curves import draw_curves
from offctx.evaluation.plots.data import Estimates, SplitReturns, varying_coordinates
from offctx.evaluation.plots.distance import draw_distances
from offctx.evaluation.plots.heat_maps import draw_heat_maps
from offctx.evaluation.plots.style import add_title_and_caption, new_figure
from offctx.evaluation.statistics import Array, Interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure


RINGS_NOTE = "Ring: training context."


def has_rings(contexts: Array, train_contexts: Array) -> bool:
    """Whether the picture of contexts (K, p) is a heat map on which rings mark the training contexts (n, p)."""
    return len(varying_coordinates(contexts)) == 2 and len(train_contexts) > 0


def plot_split(
    split: str,
    *,
    contexts: Array,
    context_names: Sequence[str],
    context_units: Sequence[str],
    train_contexts: Array,
    per_context: Mapping[str, Estimates],
    overall: Mapping[str, Interval],
    muted: Collection[str] = (),
    title: str | None = None,
    caption: str | None = None,
) -> Figure:
    """Draws the picture of one split, with all methods.

    Args:
        split: its name.
        contexts: (K, p).
        context_names: of the p coordinates.
        context_units: of the p coordinates, "" where dimensionless.
        train_contexts: (n, p), marked in the picture; n may be 0.
        per_context: method -> estimate, low, high, each (K,), as from `context_intervals`. A NaN bound draws no interval. The
            order of methods gives their colours.
        overall: method -> the mean over contexts.
        muted: the methods that are drawn in grey, such as null controls; their colours are not counted.
        title: before the name of the split.
        caption: a line below the picture, which says for example what the intervals cover.

    Returns:
        the figure.

    Raises:
        EvaluationError: shapes, names or methods do not fit each other.
    """
    returns = SplitReturns(
        np.asarray(contexts, dtype=np.float64),
        tuple(context_names),
        tuple(context_units),
        np.asarray(train_contexts, dtype=np.float64),
        per_context,
        overall,
        frozenset(muted),
    )
    varying = [int(coordinate) for coordinate in varying_coordinates(returns.contexts)]
    marked = len(returns.train_contexts) > 0
    figure = new_figure(6.4, 4.4)
    if len(varying) == 1:
        draw_curves(figure, returns, varying[0])
    elif len(varying) == 2:
        draw_heat_maps(figure, returns, (varying[0], varying[1]))
        caption = f"{RINGS_NOTE} {caption or ''}" if marked else caption
    elif varying and marked:
        draw_distances(figure, returns)
    else:
        draw_bars(figure, returns)
    add_title_and_caption(figure, split if title is None else f"{title} · {split}", caption or "")
    return figure
