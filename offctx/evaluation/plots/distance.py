"""Returns against the distance of each context from the training contexts.

Dimensions: K contexts, n training contexts, p context coordinates.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import numpy as np

from offctx.analysis.distance import distances_to_nearest
from offctx.errors import EvaluationError
from offctx.evaluation.plots.data import Estimates, SplitReturns, check_estimates, varying_coordinates
from offctx.evaluation.plots.returns_axes import mark_training_contexts, returns_axes
from offctx.evaluation.plots.style import add_title_and_caption, legend_above, new_figure, plain_label, series_styles
from offctx.evaluation.statistics import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_distance(
    distances: Array,
    per_context: Mapping[str, Estimates],
    *,
    label: str,
    muted: Collection[str] = (),
    title: str | None = None,
    caption: str | None = None,
) -> Figure:
    """Draws the return of each method in each context against the context's distance from the training contexts.

    Args:
        distances: (K,), finite; the training contexts are at 0.
        per_context: method -> estimate, low, high, each (K,). A NaN bound draws no interval.
        label: of the distance, for the axis.
        muted: the methods that are drawn in grey.
        title: above the picture.
        caption: below the picture.

    Returns:
        the figure.

    Raises:
        EvaluationError: shapes do not fit each other, or a distance is not finite.
    """
    x = np.asarray(distances, dtype=np.float64)
    if x.ndim != 1 or len(x) == 0 or not np.isfinite(x).all():
        raise EvaluationError(f"expected distances as finite numbers (K,), found shape {x.shape}: {x}")
    check_estimates(per_context, len(x))
    figure = new_figure(6.4, 4.4)
    _draw(figure, x, per_context, label, muted)
    for axes in figure.axes:
        mark_training_contexts(axes, np.zeros(1), "training contexts")
    legend_above(figure.axes[0])
    add_title_and_caption(figure, title or "", caption or "")
    return figure


def draw_distances(figure: Figure, split: SplitReturns) -> None:
    """Draws the returns of a split against the distance from the nearest training context."""
    distances = nearest_training_distance(split.contexts, split.train_contexts)
    label = "distance from the nearest training context (each coordinate over its range in the split)"
    _draw(figure, distances, split.per_context, label, split.muted)
    legend_above(figure.axes[0])


def nearest_training_distance(contexts: Array, train_contexts: Array) -> Array:
    """Returns Euclidean distances (K,), without unit, from contexts (K, p) to the nearest of the training contexts (n, p).

    Each coordinate is divided by its range within `contexts`; a coordinate that is constant there, by its range within
    `contexts` and `train_contexts` together.
    """
    all_contexts = np.concatenate([contexts, train_contexts])
    scale = np.ptp(contexts, axis=0)
    constant = np.setdiff1d(np.arange(contexts.shape[1]), varying_coordinates(contexts))
    scale[constant] = np.ptp(all_contexts, axis=0)[constant]
    scale[scale == 0] = 1.0
    return distances_to_nearest(contexts, train_contexts, lambda dc: np.sqrt(((dc / scale) ** 2).sum(axis=-1)))


def _draw(figure: Figure, distances: Array, per_context: Mapping[str, Estimates], label: str, muted: Collection[str]) -> None:
    """Draws each context as a dot with its interval at its distance (K,), and a line through the means of neighbours."""
    order = np.argsort(distances, kind="stable")
    x = distances[order]
    bins = np.array_split(np.arange(len(x)), max(1, min(8, len(x) // 5)))
    styles = series_styles(per_context, muted)
    for axes in returns_axes(figure, per_context):
        for method, estimates in per_context.items():
            estimate, low, high = (array[order] for array in estimates)
            style = styles[method]
            axes.vlines(x, low, high, color=style.color, alpha=style.band + 0.1, linewidth=1.2)
            axes.scatter(x, estimate, s=16, marker=style.marker or ".", color=style.color, alpha=0.7, linewidths=0)
            axes.plot(
                [x[rows].mean() for rows in bins],
                [estimate[rows].mean() for rows in bins],
                linestyle=style.dashes,
                color=style.color,
                linewidth=style.width,
                marker=style.marker,
                markersize=6,
                markeredgecolor="white",
                label=plain_label(method),
            )
    axes.set_xlabel(label)
