"""Returns over the one context coordinate that varies in a split: a curve with its interval for each method."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from offctx.evaluation.plots.data import SplitReturns
from offctx.evaluation.plots.returns_axes import mark_training_contexts, returns_axes
from offctx.evaluation.plots.style import legend_above, plain_label, series_styles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MARKERS_A_CURVE = 14


def draw_curves(figure: Figure, split: SplitReturns, coordinate: int) -> None:
    """Draws the return of each method over one coordinate of the context."""
    order = np.argsort(split.contexts[:, coordinate], kind="stable")
    x = split.contexts[order, coordinate]
    step = -(-len(x) // _MARKERS_A_CURVE)
    styles = series_styles(split.per_context, split.muted)
    for axes in returns_axes(figure, split.per_context):
        for index, (method, estimates) in enumerate(split.per_context.items()):
            estimate, low, high = (array[order] for array in estimates)
            style = styles[method]
            axes.fill_between(x, low, high, color=style.color, alpha=style.band, linewidth=0)
            axes.plot(
                x,
                estimate,
                linestyle=style.dashes,
                color=style.color,
                linewidth=style.width,
                marker=style.marker,
                markevery=(index * step // len(split.per_context), step),  # staggered: visible where curves coincide
                markersize=4.5,
                markeredgecolor="white",
                markeredgewidth=0.6,
                label=plain_label(method),
            )
        mark_training_contexts(axes, split.train_contexts[:, coordinate])
    axes.set_xlabel(split.axis_label(coordinate))
    legend_above(figure.axes[0])
